#include "engine/ops/attention.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable attention(const Variable& qkv, const Sequences& sequences, const ops::AttentionSpec& spec) {
  ops::AttentionOut out = ops::attention_forward(qkv.value(), sequences, spec);
  if (!recording(qkv)) return Variable(std::move(out.out));
  return recorded(out.out,
                  [grad = qkv.grad(), projected = qkv.value(), sequences, spec, saved = out](const Tensor& dy) {
                    Tensor dqkv = Tensor::empty(projected.shape(), projected.dtype(), projected.device());
                    ops::attention_backward(dqkv, dy, saved, projected, sequences, spec);
                    grad.add(dqkv);
                  });
}

}  // namespace attune
