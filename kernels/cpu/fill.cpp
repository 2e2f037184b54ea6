#include "kernels/fill.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {

void fill(const CpuContext&, const Fill& args) {
  dispatch_float(args.dtype, "fill", [&]<class T>() {
    T* y = static_cast<T*>(args.y);
    parallel_for(args.n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      std::fill(y + begin, y + end, static_cast<T>(args.value));
    });
  });
}

}  // namespace attune::kernels
