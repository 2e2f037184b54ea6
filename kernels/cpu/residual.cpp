#include "kernels/residual.h"

#include "base/parallel.h"
#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T>
ATTUNE_INLINE void add(T* y, const T* residual, const T* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = residual[i] + x[i];
}

template <class T>
ATTUNE_INLINE void add_product(T* y, const T* residual, const T* x, const T* factors, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = residual[i] + x[i] * factors[i];
}

}  // namespace

void residual(const CpuContext&, const Residual& args) {
  dispatch_float(args.dtype, "residual", [&]<class T>() {
    parallel_for(args.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t channels = args.channels;
      T* y = static_cast<T*>(args.y);
      const T* base = static_cast<const T*>(args.residual);
      const T* x = static_cast<const T*>(args.x);
      if (!args.dropout.active()) {
        vectorized<add<T>>(y + begin * channels, base + begin * channels, x + begin * channels,
                           (end - begin) * channels);
        return;
      }
      T* factors = scratch<T>(ScratchSlot::kRow, channels);
      for (std::int64_t n = begin; n < end; ++n) {
        dropout_factors(factors, args.dropout, 0, args.dropout.row_keys[n], 0, channels);
        vectorized<add_product<T>>(y + n * channels, base + n * channels, x + n * channels, factors, channels);
      }
    });
  });
}

}  // namespace attune::kernels
