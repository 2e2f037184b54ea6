#include "engine/ops/args.h"

namespace attune {

Shape with_width(const Shape& shape, std::int64_t width) {
  Shape out;
  for (int i = 0; i + 1 < shape.rank(); ++i) out.append(shape[i]);
  out.append(width);
  return out;
}

Arguments::Arguments(const char* op, const char* name, const Tensor& first) : op_(op), first_name_(name) {
  CHECK(first.defined(), op, ": ", name, " is missing");
  device_ = first.device();
}

void Arguments::require(const char* name, const Tensor& x, const Shape& shape, DType dtype) const {
  CHECK(x.defined(), op_, ": ", name, " is missing");
  CHECK(x.shape() == shape, op_, ": ", name, " has shape ", x.shape(), " where ", shape, " is needed");
  CHECK(x.dtype() == dtype, op_, ": ", name, " has dtype ", x.dtype(), " where ", dtype, " is needed");
  CHECK(x.device() == device_, op_, ": ", name, " is on the ", x.device(), ", but ", first_name_, " is on the ",
        device_);
}

void Arguments::allow(const char* name, const Tensor& x, const Shape& shape, DType dtype) const {
  if (x.defined()) require(name, x, shape, dtype);
}

void Arguments::require_rank(const char* name, const Tensor& x, int rank) const {
  CHECK(x.defined(), op_, ": ", name, " is missing");
  CHECK(x.shape().rank() == rank, op_, ": ", name, " has shape ", x.shape(), " where ", rank, " dimensions are needed");
}

void Arguments::require_dropout(const DropoutSpec& dropout, std::int64_t rows) const {
  CHECK(dropout.p >= 0 && dropout.p < 1, op_, ": a dropout probability of ", dropout.p, " is not in [0, 1)");
  if (dropout.p == 0) return;
  require("row_keys", dropout.row_keys, {rows}, DType::kInt32);
  allow("step_at", dropout.step_at, {1}, DType::kInt32);
}

}  // namespace attune
