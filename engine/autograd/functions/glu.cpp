#include "engine/ops/glu.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable glu(const Variable& u, Activation kind) {
  Tensor y = ops::glu_forward(u.value(), kind);
  if (!recording(u)) return unrecorded({"gated unit"}, std::move(y));
  return recorded({"gated unit"}, std::move(y), [du = u.grad(), saved = u.value(), kind](const Tensor& dy) {
    ops::glu_backward(du.target(), dy, saved, kind);
  });
}

}  // namespace attune
