// Whether the elements of tensors are finite (base/finite.h).
#pragma once

#include <cstdint>
#include <optional>

#include "engine/tensor/tensor.h"

namespace attune {

/// The first element, in row-major order, that is not finite; none if all are. The tensor may be on any device and of
/// any type (integers are finite), or undefined.
std::optional<std::int64_t> first_not_finite(const Tensor& x);
inline bool all_finite(const Tensor& x) {
  return !first_not_finite(x);
}

}  // namespace attune
