// The sum of what the processes of a run have, in the order of the ranks (kernels/rank_sum.h).
//
// A thread owns one 16-byte vector (or one element if a pointer or the size does not allow vectors) and adds it over the
// ranks, a block 256 of them. Deterministic. Moves R + 1 elements for each sum: bound by memory bandwidth. No shared
// memory and few registers, so that it runs next to the work that it is hidden by.
#include "kernels/rank_sum.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct RankSumTraits {
  static constexpr int kThreads = 256;
};

template <class T, int W>
__global__ void __launch_bounds__(RankSumTraits::kThreads)
    rank_sum_kernel(T* y, const T* x, std::int64_t n, int ranks) {
  const std::int64_t at = global_index() * W;
  if (at >= n) return;
  float sum[W];
  load(sum, x + at);
  for (int r = 1; r < ranks; ++r) {
    float v[W];
    load(v, x + r * n + at);
    for (int i = 0; i < W; ++i) sum[i] += v[i];
  }
  store(y + at, sum);
}

}  // namespace

void rank_sum(const CudaContext& context, const RankSum& args) {
  cuda::dispatch_device_float(args.dtype, "rank sum", [&]<class T>() {
    cuda::with_width<T>(args.n % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.y, args.x), [&](auto width) {
      constexpr int W = decltype(width)::value;
      cuda::launch("rank_sum", rank_sum_kernel<T, W>, {cuda::blocks_for(args.n, RankSumTraits::kThreads * W)},
                   {RankSumTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.y),
                   static_cast<const T*>(args.x), args.n, narrow<int>(args.ranks));
    });
  });
}

}  // namespace attune::kernels
