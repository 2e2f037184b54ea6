#include "engine/ops/dropout.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable dropout(const Variable& x, const DropoutSpec& spec) {
  if (spec.p == 0) return x;
  Tensor y = ops::dropout_forward(x.value(), spec);
  if (!recording(x)) return unrecorded({"dropout"}, std::move(y));
  return recorded({"dropout"}, std::move(y),
                  [dx = x.grad(), spec](const Tensor& dy) { ops::dropout_backward(dx.target(), dy, spec); });
}

}  // namespace attune
