// Dropout masks as rows of factors: 0 for a dropped element, 1 / (1 - p) for a kept one.
#pragma once

#include "kernels/dropout.h"

namespace attune::kernels {

/// factors[i] = factor of channel begin + i of the row with this key, for i in [0, n).
template <class T>
void dropout_factors(T* factors, const DropoutMask& mask, std::uint32_t site_offset, std::uint32_t key,
                     std::int64_t begin, std::int64_t n);

}  // namespace attune::kernels
