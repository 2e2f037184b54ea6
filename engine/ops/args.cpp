#include "engine/ops/args.h"

namespace attune {

Arguments::Arguments(const char* op, const char* name, const Tensor& first)
    : op_(op), first_name_(name), first_(first) {
  CHECK(first.defined(), op, ": ", name, " is missing");
}

void Arguments::require(const char* name, const Tensor& x, const Shape& shape, DType dtype) const {
  CHECK(x.defined(), op_, ": ", name, " is missing");
  CHECK(x.shape() == shape, op_, ": ", name, " has shape ", x.shape(), " where ", shape, " is needed");
  CHECK(x.dtype() == dtype, op_, ": ", name, " has dtype ", x.dtype(), " where ", dtype, " is needed");
  CHECK(x.device() == first_.device(), op_, ": ", name, " is on the ", x.device(), ", but ", first_name_, " is on the ",
        first_.device());
}

void Arguments::allow(const char* name, const Tensor& x, const Shape& shape, DType dtype) const {
  if (x.defined()) require(name, x, shape, dtype);
}

void Arguments::require_rank(int rank) const {
  CHECK(first_.shape().rank() == rank, op_, ": ", first_name_, " has shape ", first_.shape(), " where ", rank,
        " dimensions are needed");
}

}  // namespace attune
