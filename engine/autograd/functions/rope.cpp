#include "engine/ops/rope.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable rope(const Variable& qkv, const Sequences& sequences, std::int64_t heads, const ops::RopeTable& table) {
  Tensor y = qkv.value();
  ops::rope(y, sequences, heads, table, false);
  if (!recording(qkv)) return Variable(std::move(y));
  // The gradient is attention's own buffer, which nobody else reads: it is turned back in place and passed on.
  return recorded(std::move(y), [dqkv = qkv.grad(), sequences, heads, table](const Tensor& dy) {
    ops::rope(dy, sequences, heads, table, true);
    dqkv.add(dy);
  });
}

}  // namespace attune
