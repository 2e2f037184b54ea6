// Tensors of 4-byte elements as integers, for comparisons.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune::testing {

/// The elements of a host tensor, bit for bit; none where it is not defined.
inline std::vector<std::int32_t> words_of(const Tensor& x) {
  const auto* first = static_cast<const std::int32_t*>(x.raw());
  return {first, first + (x.defined() ? x.numel() : 0)};
}

}  // namespace attune::testing
