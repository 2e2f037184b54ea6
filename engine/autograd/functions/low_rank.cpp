#include <utility>

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"
#include "engine/ops/linear.h"
#include "engine/ops/scale.h"

namespace attune {

Variable add_low_rank(Variable&& y, const Variable& h, const Variable& b, double scale) {
  const Op op{"low-rank change of a linear layer", {&b}};
  const bool record = recording(y, h, b);
  const Grad dy = y.grad();
  const Tensor scaled = Tensor::empty(h.shape(), h.value().dtype(), h.value().device());
  ops::scale({scaled, GradMode::kWrite}, h.value(), scale);
  Tensor sum = std::move(y).release();
  ops::linear_add(InPlace(sum), scaled, b.value());
  if (!record) return unrecorded(op, std::move(sum));
  return recorded(op, std::move(sum), [dy, dh = h.grad(), b, scaled, scale](const Tensor& dsum) {
    if (dh.requires_grad()) {
      const Tensor unscaled = Tensor::empty(scaled.shape(), scaled.dtype(), scaled.device());
      ops::linear_backward({.dx = {unscaled}, .dweight = {}, .dbias = {}}, dsum, {}, b.value());
      ops::scale(dh.target(), unscaled, scale);
    }
    if (b.requires_grad())
      ops::linear_backward({.dx = {}, .dweight = b.grad().target(), .dbias = {}}, dsum, scaled, b.value());
    dy.add(dsum);
  });
}

}  // namespace attune
