// y = x in another float type (kernels/cast.h).
//
// A thread owns four elements, 16 bytes in float32 (or one if a pointer or the size does not allow vectors), so that a
// warp's accesses touch whole sectors on both sides; a block owns 256 times that. Deterministic. Moves every byte once:
// bound by memory bandwidth.
#include "kernels/cast.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct CastTraits {
  static constexpr int kThreads = 256, kElements = 4;
};

template <class To, class From, int W>
__global__ void __launch_bounds__(CastTraits::kThreads) cast_kernel(To* y, const From* x, std::int64_t n) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float v[W];
  load(v, x + at);
  store(y + at, v);
}

template <class To, class From, int W>
void run(const CudaContext& context, const Cast& args) {
  cuda::launch("cast", cast_kernel<To, From, W>, {cuda::blocks_for(args.n, CastTraits::kThreads * W)},
               {CastTraits::kThreads}, 0, context.stream(), static_cast<To*>(args.y), static_cast<const From*>(args.x),
               args.n);
}

}  // namespace

void cast(const CudaContext& context, const Cast& args) {
  if (args.n == 0) return;
  cuda::dispatch_device_float(args.to, "cast", [&]<class To>() {
    cuda::dispatch_device_float(args.from, "cast", [&]<class From>() {
      if (args.n % CastTraits::kElements == 0 && cuda::aligned(args.y, args.x))
        run<To, From, CastTraits::kElements>(context, args);
      else
        run<To, From, 1>(context, args);
    });
  });
}

}  // namespace attune::kernels
