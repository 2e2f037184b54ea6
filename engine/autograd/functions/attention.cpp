#include "engine/ops/attention.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable attention(const Variable& qkv, const Sequences& sequences, const ops::AttentionSpec& spec) {
  ops::AttentionOut out = ops::attention_forward(qkv.value(), sequences, spec);
  if (!recording(qkv)) return unrecorded({"attention"}, std::move(out.out));
  return recorded({"attention"}, out.out,
                  [grad = qkv.grad(), projected = qkv.value(), sequences, spec, saved = out](const Tensor& dy) {
                    grad.add(ops::attention_backward(dy, saved, projected, sequences, spec));
                  });
}

}  // namespace attune
