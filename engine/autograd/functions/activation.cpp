#include "engine/ops/activation.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable activation(const Variable& x, Activation kind) {
  Tensor y = ops::activation_forward(x.value(), kind);
  if (!recording(x)) return unrecorded({"activation function"}, std::move(y));
  return recorded({"activation function"}, std::move(y), [dx = x.grad(), saved = x.value(), kind](const Tensor& dy) {
    ops::activation_backward(dx.target(), dy, saved, kind);
  });
}

}  // namespace attune
