#include "engine/ops/pool.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable pool(const Variable& x, const ops::PooledSequences& sequences) {
  Tensor y = ops::pool_forward(x.value(), sequences);
  if (!recording(x)) return unrecorded({"pooling"}, std::move(y));
  return recorded({"pooling"}, std::move(y),
                  [dx = x.grad(), sequences](const Tensor& dy) { ops::pool_backward(dx.target(), dy, sequences); });
}

}  // namespace attune
