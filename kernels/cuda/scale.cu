// y (+)= alpha x.
//
// A thread owns one 16-byte vector (or one element if a pointer or the size does not allow vectors), a block 256 of
// them. Deterministic. Moves 2 n elements once, 3 n accumulating: bound by memory bandwidth. No shared memory and few
// registers, so that all 2048 threads of a multiprocessor are resident.
#include "kernels/scale.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct ScaleTraits {
  static constexpr int kThreads = 256;
};

template <class T, int W>
__global__ void __launch_bounds__(ScaleTraits::kThreads)
    scale_kernel(T* y, const T* x, std::int64_t n, float alpha, bool accumulate) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float v[W];
  load(v, x + at);
  for (int i = 0; i < W; ++i) v[i] *= alpha;
  store_gradient(y + at, v, accumulate);
}

}  // namespace

void scale(const CudaContext& context, const Scale& args) {
  cuda::dispatch_device_float(args.dtype, "scale", [&]<class T>() {
    cuda::with_width<T>(args.n % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.x), [&](auto width) {
      constexpr int W = decltype(width)::value;
      cuda::launch("scale", scale_kernel<T, W>, {cuda::blocks_for(args.n, ScaleTraits::kThreads * W)},
                   {ScaleTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.y), static_cast<const T*>(args.x),
                   args.n, static_cast<float>(args.alpha), args.mode == GradMode::kAccumulate);
    });
  });
}

}  // namespace attune::kernels
