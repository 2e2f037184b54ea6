// Sums over the rows of a matrix, in an order that depends only on the sizes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/math.h"

namespace attune::kernels {

/// How `rows` rows are cut for a sum over them: at most 64 chunks, each summed on its own into a row of partial sums.
struct RowChunks {
  std::int64_t size, count;
  explicit RowChunks(std::int64_t rows)
      : size(std::max<std::int64_t>(16, ceil_div<std::int64_t>(rows, 64))), count(ceil_div(rows, size)) {}
};

/// out[c] (+)= sum over k of partials[k * stride + c], in the order of k.
template <class T>
void add_partials(T* out, bool accumulate, const T* partials, std::int64_t count, std::int64_t stride,
                  std::int64_t channels) {
  if (!accumulate) std::fill(out, out + channels, T(0));
  for (std::int64_t k = 0; k < count; ++k)
    for (std::int64_t c = 0; c < channels; ++c) out[c] += partials[k * stride + c];
}

}  // namespace attune::kernels
