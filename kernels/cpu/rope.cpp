#include "kernels/rope.h"

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T>
ATTUNE_INLINE void rotate_row(T* x, const float* cosines, const float* sines, T sign, std::int64_t heads,
                              std::int64_t half) {
  for (std::int64_t h = 0; h < heads; ++h, x += 2 * half)
    for (std::int64_t d = 0; d < half; ++d) {
      const T c = static_cast<T>(cosines[d]), s = sign * static_cast<T>(sines[d]);
      const T a = x[d], b = x[half + d];
      x[d] = a * c - b * s;
      x[half + d] = b * c + a * s;
    }
}

}  // namespace

void rope(const CpuContext&, const Rope& args) {
  dispatch_float(args.dtype, "rope", [&]<class T>() {
    const std::int64_t half = args.head_size / 2;
    parallel_for(args.rows, row_grain(args.heads * args.head_size), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n)
        vectorized<rotate_row<T>>(static_cast<T*>(args.x) + n * args.row_stride,
                                  args.cos_table + args.positions[n] * half, args.sin_table + args.positions[n] * half,
                                  static_cast<T>(args.inverse ? -1 : 1), args.heads, half);
    });
  });
}

}  // namespace attune::kernels
