#include "kernels/moving_average.h"

#include "kernels/cpu/simd.h"
#include "kernels/cpu/tensor_list.h"

namespace attune::kernels {
namespace {

template <class T>
ATTUNE_INLINE void approach(T* __restrict average, const T* __restrict value, T rate, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) average[i] += rate * (value[i] - average[i]);
}

}  // namespace

void moving_average(const CpuContext&, const MovingAverage& args) {
  dispatch_float(args.dtype, "moving average", [&]<class T>() {
    for_pieces(args.tensors, first_pieces(args.tensors),
               [&](const AveragedTensor& tensor, std::int64_t from, std::int64_t n, std::int64_t) {
                 vectorized<approach<T>>(static_cast<T*>(tensor.average) + from,
                                         static_cast<const T*>(tensor.value) + from, static_cast<T>(*args.rate), n);
               });
  });
}

}  // namespace attune::kernels
