#include "kernels/max_pool.h"

#include <algorithm>

namespace attune::kernels {
namespace {

// The first row of [begin, end) with the largest value of a channel; x is that channel of row 0.
template <class T>
std::int64_t largest_row(const T* x, std::int64_t begin, std::int64_t end, std::int64_t channels) {
  std::int64_t best = begin;
  for (std::int64_t n = begin + 1; n < end; ++n)
    if (is_larger(x[n * channels], x[best * channels])) best = n;
  return best;
}

}  // namespace

void max_pool_forward(const CpuContext&, const MaxPoolForward& args) {
  dispatch_float(args.dtype, "maximum", [&]<class T>() {
    const auto& [offsets, sequences, rows, channels] = args.layout;
    const T* x = static_cast<const T*>(args.x);
    T* y = static_cast<T*>(args.y);
    for (std::int64_t b = 0; b < sequences; ++b)
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t begin = offsets[b], end = offsets[b + 1];
        y[b * channels + c] = begin < end ? x[largest_row(x + c, begin, end, channels) * channels + c] : T(0);
      }
  });
}

void max_pool_backward(const CpuContext&, const MaxPoolBackward& args) {
  if (!args.dx) return;
  dispatch_float(args.dtype, "maximum backward", [&]<class T>() {
    const auto& [offsets, sequences, rows, channels] = args.layout;
    const T *x = static_cast<const T*>(args.x), *dy = static_cast<const T*>(args.dy);
    T* dx = static_cast<T*>(args.dx.data);
    if (!args.dx.accumulate()) std::fill(dx, dx + rows * channels, T(0));
    for (std::int64_t b = 0; b < sequences; ++b)
      for (std::int64_t c = 0; c < channels; ++c)
        if (const std::int64_t begin = offsets[b], end = offsets[b + 1]; begin < end)
          dx[largest_row(x + c, begin, end, channels) * channels + c] += dy[b * channels + c];
  });
}

}  // namespace attune::kernels
