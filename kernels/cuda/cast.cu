// y = x in another float type (kernels/cast.h).
//
// A thread owns eight elements: one 16-byte access in bfloat16, two in float32 (or one element where a pointer or the
// size does not allow vectors); a block owns 256 times that. Deterministic. Moves every byte once: bound by memory
// bandwidth.
#include "kernels/cast.h"

#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune {
namespace {

using namespace device;

struct Traits {
  static constexpr int kThreads = 256, kElements = 8;
};

// At most 16 bytes of T at a time.
template <class T, int W>
inline constexpr int kStep = W < cuda::kVectorWidth<T> ? W : cuda::kVectorWidth<T>;

template <class To, class From, int W>
__global__ void __launch_bounds__(Traits::kThreads) cast_kernel(To* y, const From* x, std::int64_t n) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float v[W];
  for (int i = 0; i < W; i += kStep<From, W>) {
    float part[kStep<From, W>];
    load(part, x + at + i);
    for (int j = 0; j < kStep<From, W>; ++j) v[i + j] = part[j];
  }
  for (int i = 0; i < W; i += kStep<To, W>) {
    float part[kStep<To, W>];
    for (int j = 0; j < kStep<To, W>; ++j) part[j] = v[i + j];
    store(y + at + i, part);
  }
}

template <class To, class From, int W>
void run(const CudaContext& context, const Cast& args) {
  cuda::launch("cast", cast_kernel<To, From, W>, {cuda::blocks_for(args.n, Traits::kThreads * W)}, {Traits::kThreads}, 0,
               context.stream(), static_cast<To*>(args.y), static_cast<const From*>(args.x), args.n);
}

}  // namespace

void cast(const CudaContext& context, const Cast& args) {
  if (args.n == 0) return;
  cuda::dispatch_device_float(args.to, "cast", [&]<class To>() {
    cuda::dispatch_device_float(args.from, "cast", [&]<class From>() {
      if (args.n % Traits::kElements == 0 && cuda::aligned(args.y, args.x)) run<To, From, Traits::kElements>(context, args);
      else run<To, From, 1>(context, args);
    });
  });
}

}  // namespace attune
