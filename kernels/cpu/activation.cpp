#include "kernels/activation.h"

#include "base/parallel.h"
#include "kernels/cpu/activation_math.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T, Activation kind>
ATTUNE_INLINE void apply(T* y, const T* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = ActivationFunction<kind>::value(x[i]);
}

template <class T, Activation kind, bool accumulate>
ATTUNE_INLINE void apply_slope(T* dx, const T* dy, const T* x, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = dy[i] * ActivationFunction<kind>::both(x[i]).slope;
    dx[i] = accumulate ? dx[i] + gradient : gradient;
  }
}

}  // namespace

void activation_forward(const CpuContext&, const ActivationForward& args) {
  dispatch_float(args.dtype, "activation", [&]<class T>() {
    dispatch_activation(args.kind, [&]<Activation kind>() {
      parallel_for(args.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
        vectorized<apply<T, kind>>(static_cast<T*>(args.y) + begin, static_cast<const T*>(args.x) + begin, end - begin);
      });
    });
  });
}

void activation_backward(const CpuContext&, const ActivationBackward& args) {
  if (!args.dx) return;
  dispatch_float(args.dtype, "activation backward", [&]<class T>() {
    dispatch_activation(args.kind, [&]<Activation kind>() {
      parallel_for(args.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
        T* dx = static_cast<T*>(args.dx.data) + begin;
        const T* dy = static_cast<const T*>(args.dy) + begin;
        const T* x = static_cast<const T*>(args.x) + begin;
        if (args.dx.accumulate())
          vectorized<apply_slope<T, kind, true>>(dx, dy, x, end - begin);
        else
          vectorized<apply_slope<T, kind, false>>(dx, dy, x, end - begin);
      });
    });
  });
}

}  // namespace attune::kernels
