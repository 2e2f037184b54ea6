// Types that op declarations share: gradient targets, dropout masks, tensors that are overwritten, and the checks of an
// op's arguments.
#pragma once

#include <utility>

#include "engine/tensor/tensor.h"
#include "kernels/context.h"
#include "kernels/dropout.h"

namespace attune {

// Kernel types that every layer uses.
using kernels::GradMode;
using kernels::GradOut;

/// The buffer a gradient goes to; undefined if it is not needed.
struct GradTarget {
  Tensor tensor;
  GradMode mode = GradMode::kWrite;

  explicit operator bool() const { return tensor.defined(); }
  GradOut out() const { return {tensor.raw(), mode}; }
};

/// A tensor of the caller whose elements an op overwrites. (An op that consumes a tensor takes Tensor&&.)
struct InPlace {
  Tensor tensor;

  explicit InPlace(Tensor x) : tensor(std::move(x)) {}
};

/// One dropout site in one forward pass; p = 0 drops nothing.
struct DropoutSpec {
  float p = 0;
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t site = 0;
  Tensor row_keys = {};  // int32 [N]; unused if p = 0
  Tensor step_at = {};   // int32 [1] read instead of `step`; or undefined

  kernels::DropoutMask mask() const {
    return {.p = p,
            .seed = seed,
            .step = step,
            .site = site,
            .row_keys = static_cast<const std::uint32_t*>(row_keys.raw()),
            .step_at = static_cast<const std::uint32_t*>(step_at.raw())};
  }
};

/// Rows of a tensor seen as a matrix: the product of all dimensions but the innermost.
inline std::int64_t rows_of(const Tensor& x) {
  return x.shape()[-1] == 0 ? 0 : x.numel() / x.shape()[-1];
}

/// The shape with another innermost dimension.
Shape with_width(const Shape& shape, std::int64_t width);

/// The checks of one call of an op: every argument must lie on the device of the first, with the shape and dtype the op
/// needs. Each check throws Error naming the op, the argument, what it is and what it should be.
class Arguments {
 public:
  /// `name` and `first` are the argument that the others are compared with; it must be defined.
  Arguments(const char* op, const char* name, const Tensor& first);

  /// An argument that must be there.
  void require(const char* name, const Tensor& x, const Shape& shape, DType dtype) const;
  /// An argument that may be undefined.
  void allow(const char* name, const Tensor& x, const Shape& shape, DType dtype) const;
  void allow(const char* name, const GradTarget& x, const Shape& shape, DType dtype) const {
    allow(name, x.tensor, shape, dtype);
  }
  /// An argument that must be there, of any size of so many dimensions.
  void require_rank(const char* name, const Tensor& x, int rank) const;
  /// The mask of `rows` rows.
  void require_dropout(const DropoutSpec& dropout, std::int64_t rows) const;

 private:
  const char* op_;
  const char* first_name_;
  Device device_;
};

}  // namespace attune
