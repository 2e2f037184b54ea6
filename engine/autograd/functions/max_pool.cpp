#include "engine/ops/max_pool.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable max_pool(const Variable& x, const Tensor& offsets) {
  Tensor y = ops::max_pool_forward(x.value(), offsets);
  if (!recording(x)) return unrecorded({"maximum"}, std::move(y));
  return recorded({"maximum"}, std::move(y), [dx = x.grad(), x = x.value(), offsets](const Tensor& dy) {
    ops::max_pool_backward(dx.target(), dy, x, offsets);
  });
}

}  // namespace attune
