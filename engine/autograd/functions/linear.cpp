#include "engine/ops/linear.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  const Op op{"linear layer", {&weight, &bias}};
  Tensor y = ops::linear_forward(x.value(), weight.value(), bias.value());
  if (!recording(x, weight, bias)) return unrecorded(op, std::move(y));
  // The input is saved only if the weight requires a gradient.
  const Tensor saved = weight.requires_grad() ? x.value() : Tensor();
  return recorded(op, std::move(y), [dx = x.grad(), weight, dbias = bias.grad(), saved](const Tensor& dy) {
    ops::linear_backward({dx.target(), weight.grad().target(), dbias.target()}, dy, saved, weight.value());
  });
}

}  // namespace attune
