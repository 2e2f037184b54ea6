// Rotary position embedding, half-split ("NeoX") layout, in place.
//
// For channel d < D/2 of every head, with angle a = positions[n] * inv_freq[d]:
//   x'[d] = x[d] cos a - x[d + D/2] sin a        x'[d + D/2] = x[d + D/2] cos a + x[d] sin a
// Backward rotates the gradient by -a. cos and sin come from a float32 table as the reference library makes it:
// inv_freq[d] = 1.0f / float32(base^(2d/D)), angle = float32(position) * inv_freq[d] in float32, then cos and sin.
//
// Su et al.: "RoFormer", arXiv 2104.09864.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

struct Rope {
  void* x;                        // [N, H, D], rows `row_stride` elements apart; rotated in place
  const float* cos_table;         // [P, D / 2] by position
  const float* sin_table;         // [P, D / 2]
  const std::int32_t* positions;  // [N], each below P
  std::int64_t rows, heads, head_size, row_stride;
  bool inverse = false;  // rotate by the negative angle (backward)
  DType dtype;
};

void rope(const CpuContext&, const Rope&);
void rope(const CudaContext&, const Rope&);

}  // namespace attune::kernels
