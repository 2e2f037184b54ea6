#include "kernels/glu.h"

#include "base/parallel.h"
#include "kernels/cpu/activation_math.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T, Activation kind>
ATTUNE_INLINE void glu_row(T* y, const T* u, std::int64_t channels) {
  for (std::int64_t i = 0; i < channels; ++i) y[i] = ActivationFunction<kind>::value(u[i]) * u[channels + i];
}

template <class T, Activation kind, bool accumulate>
ATTUNE_INLINE void glu_row_backward(T* du, const T* dy, const T* u, std::int64_t channels) {
  for (std::int64_t i = 0; i < channels; ++i) {
    const ValueAndSlope<T> f = ActivationFunction<kind>::both(u[i]);
    const T activated = dy[i] * u[channels + i] * f.slope;
    const T gate = dy[i] * f.value;
    du[i] = accumulate ? du[i] + activated : activated;
    du[channels + i] = accumulate ? du[channels + i] + gate : gate;
  }
}

}  // namespace

void glu_forward(const CpuContext&, const GluForward& args) {
  dispatch_float(args.dtype, "glu", [&]<class T>() {
    dispatch_activation(args.kind, [&]<Activation kind>() {
      parallel_for(args.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t n = begin; n < end; ++n)
          vectorized<glu_row<T, kind>>(static_cast<T*>(args.y) + n * args.channels,
                                       static_cast<const T*>(args.u) + n * 2 * args.channels, args.channels);
      });
    });
  });
}

void glu_backward(const CpuContext&, const GluBackward& args) {
  if (!args.du) return;
  dispatch_float(args.dtype, "glu backward", [&]<class T>() {
    dispatch_activation(args.kind, [&]<Activation kind>() {
      parallel_for(args.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t n = begin; n < end; ++n) {
          T* du = static_cast<T*>(args.du.data) + n * 2 * args.channels;
          const T* dy = static_cast<const T*>(args.dy) + n * args.channels;
          const T* u = static_cast<const T*>(args.u) + n * 2 * args.channels;
          if (args.du.accumulate())
            vectorized<glu_row_backward<T, kind, true>>(du, dy, u, args.channels);
          else
            vectorized<glu_row_backward<T, kind, false>>(du, dy, u, args.channels);
        }
      });
    });
  });
}

}  // namespace attune::kernels
