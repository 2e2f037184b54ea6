// y = value.
//
// A thread owns one 16-byte vector (or one element if the pointer or the size does not allow vectors), a block 256 of
// them. Deterministic. Moves n elements once: bound by memory bandwidth. No shared memory and few registers, so that
// all 2048 threads of a multiprocessor are resident.
#include "kernels/fill.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct FillTraits {
  static constexpr int kThreads = 256;
};

template <class T, int W>
__global__ void __launch_bounds__(FillTraits::kThreads) fill_kernel(T* y, std::int64_t n, float value) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float x[W];
  for (int i = 0; i < W; ++i) x[i] = value;
  store(y + at, x);
}

}  // namespace

void fill(const CudaContext& context, const Fill& args) {
  cuda::dispatch_device_float(args.dtype, "fill", [&]<class T>() {
    cuda::with_width<T>(args.n % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y), [&](auto width) {
      constexpr int W = decltype(width)::value;
      cuda::launch("fill", fill_kernel<T, W>, {cuda::blocks_for(args.n, FillTraits::kThreads * W)},
                   {FillTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.y), args.n,
                   static_cast<float>(args.value));
    });
  });
}

}  // namespace attune::kernels
