#include "kernels/pool.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

RowRange rows_of(const PooledLayout& layout, std::int64_t b) {
  return pooled_rows(layout.pooled, layout.offsets[b], layout.offsets[b + 1], layout.lengths[b]);
}

template <class T>
ATTUNE_INLINE void mean_rows(T* y, const T* x, std::int64_t rows, std::int64_t channels) {
  if (rows == 0) {
    std::fill(y, y + channels, T(0));
    return;
  }
  std::copy(x, x + channels, y);
  for (std::int64_t n = 1; n < rows; ++n)
    for (std::int64_t c = 0; c < channels; ++c) y[c] += x[n * channels + c];
  for (std::int64_t c = 0; c < channels; ++c) y[c] /= static_cast<T>(rows);
}

template <class T>
ATTUNE_INLINE void spread_row(T* dx, const T* dy, T share, bool accumulate, std::int64_t channels) {
  if (accumulate)
    for (std::int64_t c = 0; c < channels; ++c) dx[c] += dy[c] * share;
  else
    for (std::int64_t c = 0; c < channels; ++c) dx[c] = dy[c] * share;
}

}  // namespace

void pool_forward(const CpuContext&, const PoolForward& args) {
  dispatch_float(args.dtype, "pooling", [&]<class T>() {
    const std::int64_t channels = args.layout.channels;
    parallel_for(args.layout.sequences, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const RowRange rows = rows_of(args.layout, b);
        vectorized<mean_rows<T>>(static_cast<T*>(args.y) + b * channels,
                                 static_cast<const T*>(args.x) + rows.begin * channels, rows.end - rows.begin,
                                 channels);
      }
    });
  });
}

void pool_backward(const CpuContext&, const PoolBackward& args) {
  if (!args.dx) return;
  dispatch_float(args.dtype, "pooling backward", [&]<class T>() {
    const PooledLayout& layout = args.layout;
    const std::int64_t channels = layout.channels;
    T* dx = static_cast<T*>(args.dx.data);
    const T* dy = static_cast<const T*>(args.dy);
    const bool accumulate = args.dx.accumulate();
    parallel_for(layout.rows, row_grain(channels), [&](std::int64_t begin, std::int64_t end) {
      const std::int32_t* ends = layout.offsets + 1;
      std::int64_t b = std::upper_bound(ends, ends + layout.sequences, begin) - ends;  // the sequence of row `begin`
      for (std::int64_t n = begin; n < end; ++n) {
        while (b < layout.sequences && ends[b] <= n) ++b;
        const RowRange rows = b < layout.sequences ? rows_of(layout, b) : RowRange{0, 0};
        T* row = dx + n * channels;
        if (rows.begin <= n && n < rows.end)
          vectorized<spread_row<T>>(row, dy + b * channels, T(1) / static_cast<T>(rows.end - rows.begin), accumulate,
                                    channels);
        else if (!accumulate)
          std::fill(row, row + channels, T(0));
      }
    });
  });
}

void pooled_keys(const CpuContext&, const PooledKeys& args) {
  for (std::int64_t b = 0; b < args.layout.sequences; ++b) args.keys[b] = args.row_keys[rows_of(args.layout, b).begin];
}

}  // namespace attune::kernels
