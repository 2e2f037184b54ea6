#include "engine/ops/pooling.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable pool(const Variable& x, const ops::RowRanges& ranges) {
  Tensor y = ops::pool_forward(x.value(), ranges);
  if (!recording(x)) return Variable(std::move(y));
  return recorded(std::move(y),
                  [dx = x.grad(), ranges](const Tensor& dy) { ops::pool_backward(dx.target(), dy, ranges); });
}

}  // namespace attune
