#include "kernels/rank_sum.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T>
ATTUNE_INLINE void add_rank(T* __restrict y, const T* __restrict x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

}  // namespace

void rank_sum(const CpuContext&, const RankSum& args) {
  dispatch_float(args.dtype, "rank sum", [&]<class T>() {
    parallel_for(args.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      T* y = static_cast<T*>(args.y) + begin;
      const T* x = static_cast<const T*>(args.x) + begin;
      std::copy_n(x, end - begin, y);
      for (std::int64_t r = 1; r < args.ranks; ++r) vectorized<add_rank<T>>(y, x + r * args.n, end - begin);
    });
  });
}

}  // namespace attune::kernels
