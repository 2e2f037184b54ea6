// The largest value of each channel over the rows of a sequence, and its gradient (kernels/max_pool.h).
//
// A thread owns a channel of a sequence and goes over its rows; in backward, one more sequence owns the rows that
// belong to none. The rows are logits of windows: a few rows of a few channels, so nothing is vectorized.
// Deterministic. Reads x once; backward also writes dx.
#include "kernels/max_pool.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct MaxPoolTraits {
  static constexpr int kThreads = 128;
};

// The channel of a sequence that a thread owns, its rows, and the first of them with the largest value.
struct Owned {
  std::int64_t b, c;
  int begin, end, best = -1;
  float value = 0;
};

template <class T>
__device__ Owned owned(const T* x, const MaxPoolLayout& layout) {
  Owned out{.b = global_index() / layout.channels, .c = global_index() % layout.channels, .begin = 0, .end = 0};
  if (out.b >= layout.sequences) return out;
  out.begin = load_global(layout.offsets + out.b);
  out.end = load_global(layout.offsets + out.b + 1);
  for (int n = out.begin; n < out.end; ++n) {
    const float value = to_f(load_global(x + n * layout.channels + out.c));
    if (out.best >= 0 && !is_larger(value, out.value)) continue;
    out.best = n;
    out.value = value;
  }
  return out;
}

template <class T>
__global__ void __launch_bounds__(MaxPoolTraits::kThreads)
    max_pool_forward_kernel(T* y, const T* x, MaxPoolLayout layout) {
  const Owned own = owned(x, layout);
  if (own.b < layout.sequences) store_global(y + own.b * layout.channels + own.c, from_f<T>(own.value));
}

template <class T>
__global__ void __launch_bounds__(MaxPoolTraits::kThreads)
    max_pool_backward_kernel(T* dx, bool accumulate, const T* dy, const T* x, MaxPoolLayout layout) {
  Owned own = owned(x, layout);
  if (own.b > layout.sequences) return;
  if (own.b == layout.sequences) {
    own.begin = load_global(layout.offsets + own.b);
    own.end = static_cast<int>(layout.rows);
  }
  for (int n = own.begin; n < own.end; ++n) {
    float g[1] = {n == own.best ? to_f(load_global(dy + own.b * layout.channels + own.c)) : 0.0f};
    if (n == own.best || !accumulate) store_gradient(dx + n * layout.channels + own.c, g, accumulate);
  }
}

}  // namespace

void max_pool_forward(const CudaContext& context, const MaxPoolForward& args) {
  const std::int64_t threads = args.layout.sequences * args.layout.channels;
  if (threads == 0) return;
  cuda::dispatch_device_float(args.dtype, "maximum", [&]<class T>() {
    cuda::launch("max_pool_forward", max_pool_forward_kernel<T>, {cuda::blocks_for(threads, MaxPoolTraits::kThreads)},
                 {MaxPoolTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.y), static_cast<const T*>(args.x),
                 args.layout);
  });
}

void max_pool_backward(const CudaContext& context, const MaxPoolBackward& args) {
  const std::int64_t threads = (args.layout.sequences + 1) * args.layout.channels;
  if (!args.dx || threads == 0) return;
  cuda::dispatch_device_float(args.dtype, "maximum backward", [&]<class T>() {
    cuda::launch("max_pool_backward", max_pool_backward_kernel<T>, {cuda::blocks_for(threads, MaxPoolTraits::kThreads)},
                 {MaxPoolTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.dx.data), args.dx.accumulate(),
                 static_cast<const T*>(args.dy), static_cast<const T*>(args.x), args.layout);
  });
}

}  // namespace attune::kernels
