#include "kernels/scale.h"

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T, bool accumulate>
ATTUNE_INLINE void scale_run(T* y, const T* x, T alpha, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = accumulate ? y[i] + alpha * x[i] : alpha * x[i];
}

}  // namespace

void scale(const CpuContext&, const Scale& args) {
  dispatch_float(args.dtype, "scale", [&]<class T>() {
    parallel_for(args.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      T* y = static_cast<T*>(args.y) + begin;
      const T* x = static_cast<const T*>(args.x) + begin;
      if (args.mode == GradMode::kAccumulate)
        vectorized<scale_run<T, true>>(y, x, static_cast<T>(args.alpha), end - begin);
      else
        vectorized<scale_run<T, false>>(y, x, static_cast<T>(args.alpha), end - begin);
    });
  });
}

}  // namespace attune::kernels
