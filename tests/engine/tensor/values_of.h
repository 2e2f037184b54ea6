// What a tensor holds, for comparisons.
#pragma once

#include <vector>

#include "engine/tensor/tensor.h"

namespace attune::testing {

using Floats = std::vector<float>;

/// The numbers of a tensor, from wherever it is.
inline Floats values_of(const Tensor& x) {
  const Tensor host = x.to(Device::kCpu);
  return {host.values<float>().begin(), host.values<float>().end()};
}

}  // namespace attune::testing
