#include "engine/ops/cast.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable cast(const Variable& x, DType dtype) {
  if (x.value().dtype() == dtype) return x;
  Tensor y = ops::cast(x.value(), dtype);
  if (!recording(x)) return unrecorded({"conversion"}, std::move(y));
  return recorded({"conversion"}, std::move(y),
                  [dx = x.grad(), from = x.value().dtype()](const Tensor& dy) { dx.add(ops::cast(dy, from)); });
}

}  // namespace attune
