#include "kernels/pooling.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune {
namespace {

template <class T>
ATTUNE_CLONES void mean_rows(T* y, const T* x, std::int64_t rows, std::int64_t channels) {
  std::copy(x, x + channels, y);
  for (std::int64_t n = 1; n < rows; ++n)
    for (std::int64_t c = 0; c < channels; ++c) y[c] += x[n * channels + c];
  for (std::int64_t c = 0; c < channels; ++c) y[c] /= static_cast<T>(rows);
}

template <class T>
ATTUNE_CLONES void spread_row(T* dx, const T* dy, T share, bool accumulate, std::int64_t channels) {
  if (accumulate)
    for (std::int64_t c = 0; c < channels; ++c) dx[c] += dy[c] * share;
  else
    for (std::int64_t c = 0; c < channels; ++c) dx[c] = dy[c] * share;
}

}  // namespace

void pool_forward(const CpuContext&, const PoolForward& args) {
  dispatch_float(args.dtype, "pooling", [&]<class T>() {
    parallel_for(args.sequences, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        mean_rows(static_cast<T*>(args.y) + b * args.channels, static_cast<const T*>(args.x) + args.begins[b] * args.channels,
                  args.ends[b] - args.begins[b], args.channels);
    });
  });
}

void pool_backward(const CpuContext&, const PoolBackward& args) {
  if (!args.dx) return;
  dispatch_float(args.dtype, "pooling backward", [&]<class T>() {
    T* dx = static_cast<T*>(args.dx.data);
    const T* dy = static_cast<const T*>(args.dy);
    const bool accumulate = args.dx.accumulate();
    parallel_for(args.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
      // The first range that ends after row `begin`; ranges ascend.
      std::int64_t b = std::upper_bound(args.ends, args.ends + args.sequences, begin) - args.ends;
      for (std::int64_t n = begin; n < end; ++n) {
        while (b < args.sequences && args.ends[b] <= n) ++b;
        T* row = dx + n * args.channels;
        if (b < args.sequences && args.begins[b] <= n)
          spread_row(row, dy + b * args.channels, T(1) / static_cast<T>(args.ends[b] - args.begins[b]), accumulate, args.channels);
        else if (!accumulate) std::fill(row, row + args.channels, T(0));
      }
    });
  });
}

}  // namespace attune
