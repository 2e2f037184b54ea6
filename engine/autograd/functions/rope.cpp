#include "engine/ops/rope.h"

#include <utility>

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable rope(Variable&& qkv, const Sequences& sequences, std::int64_t heads, const ops::RopeTable& table) {
  const bool record = recording(qkv);
  const Grad dqkv = qkv.grad();
  Variable out(ops::rope_forward(std::move(qkv).release(), sequences, heads, table), record);
  if (record)
    Tape::current()->record({out.grad()}, [dqkv, dy = out.grad(), sequences, heads, table] {
      dqkv.add(ops::rope_backward(dy.take(), sequences, heads, table));
    });
  return seen({"rotation of positions"}, out);
}

}  // namespace attune
