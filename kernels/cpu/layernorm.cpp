#include "kernels/layernorm.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/reduce.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

// s = residual + x * factors; factors may be null (all ones).
template <class T>
ATTUNE_INLINE void add_residual(T* s, const T* residual, const T* x, const T* factors, std::int64_t channels) {
  if (factors == nullptr)
    for (std::int64_t c = 0; c < channels; ++c) s[c] = residual[c] + x[c];
  else
    for (std::int64_t c = 0; c < channels; ++c) s[c] = residual[c] + x[c] * factors[c];
}

template <class T>
struct Moments {
  T mean, rstd;
};

template <class T>
ATTUNE_INLINE Moments<T> normalise(T* y, const T* s, const T* weight, const T* bias, T eps, std::int64_t channels) {
  T sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t c = 0; c < channels; ++c) sum += s[c];
  const T mean = sum / static_cast<T>(channels);
#pragma omp simd reduction(+ : squares)
  for (std::int64_t c = 0; c < channels; ++c) squares += (s[c] - mean) * (s[c] - mean);
  const T rstd = T(1) / std::sqrt(squares / static_cast<T>(channels) + eps);
  if (bias == nullptr)
    for (std::int64_t c = 0; c < channels; ++c) y[c] = (s[c] - mean) * rstd * weight[c];
  else
    for (std::int64_t c = 0; c < channels; ++c) y[c] = (s[c] - mean) * rstd * weight[c] + bias[c];
  return {mean, rstd};
}

// ds of one row, without dsum.
template <class T>
ATTUNE_INLINE void sum_gradient(T* ds, const T* dy, const T* s, const T* weight, Moments<T> moments,
                                std::int64_t channels) {
  T sum_g = 0, sum_gh = 0;
#pragma omp simd reduction(+ : sum_g, sum_gh)
  for (std::int64_t c = 0; c < channels; ++c) {
    const T g = dy[c] * weight[c];
    sum_g += g;
    sum_gh += g * ((s[c] - moments.mean) * moments.rstd);
  }
  const T mean_g = sum_g / static_cast<T>(channels), mean_gh = sum_gh / static_cast<T>(channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    const T h = (s[c] - moments.mean) * moments.rstd;
    ds[c] = moments.rstd * (dy[c] * weight[c] - mean_g - h * mean_gh);
  }
}

template <class T>
ATTUNE_INLINE void add_parameter_gradients(T* dweight, T* dbias, const T* dy, const T* s, Moments<T> moments,
                                           std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    dweight[c] += dy[c] * ((s[c] - moments.mean) * moments.rstd);
    dbias[c] += dy[c];
  }
}

// out (+)= ds * factors; factors may be null.
template <class T>
ATTUNE_INLINE void store(T* out, bool accumulate, const T* ds, const T* factors, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const T value = factors == nullptr ? ds[c] : ds[c] * factors[c];
    out[c] = accumulate ? out[c] + value : value;
  }
}

template <class T>
ATTUNE_INLINE void add(T* y, const T* x, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) y[c] += x[c];
}

template <class T>
void forward_row(const LayerNormForward& args, std::int64_t n, T* factors) {
  const std::int64_t at = n * args.channels;
  const T* s = static_cast<const T*>(args.x) + at;
  if (args.residual != nullptr) {
    if (args.dropout.active()) dropout_factors(factors, args.dropout, 0, args.dropout.row_keys[n], 0, args.channels);
    T* sum = static_cast<T*>(args.sum) + at;
    vectorized<add_residual<T>>(sum, static_cast<const T*>(args.residual) + at, s,
                                args.dropout.active() ? factors : nullptr, args.channels);
    s = sum;
  }
  const Moments<T> moments =
      vectorized<normalise<T>>(static_cast<T*>(args.y) + at, s, static_cast<const T*>(args.weight),
                               static_cast<const T*>(args.bias), static_cast<T>(args.eps), args.channels);
  if (args.stream != nullptr)
    std::copy_n(static_cast<const T*>(args.y) + at, args.channels, static_cast<T*>(args.stream) + at);
  if (args.mean != nullptr) static_cast<T*>(args.mean)[n] = moments.mean;
  if (args.rstd != nullptr) static_cast<T*>(args.rstd)[n] = moments.rstd;
}

// The gradient of row `at` of y, with both parts added; `room` holds the sum if there are two.
template <class T>
const T* gradient_of_y(const LayerNormBackward& args, std::int64_t at, T* room) {
  const T* dy = static_cast<const T*>(args.dy);
  const T* dstream = static_cast<const T*>(args.dstream);
  if (dy == nullptr) return dstream + at;
  if (dstream == nullptr) return dy + at;
  std::copy_n(dy + at, args.channels, room);
  vectorized<add<T>>(room, dstream + at, args.channels);
  return room;
}

// Writes the row's gradients and adds its share of the parameters' to `partial`: dweight [C], dbias [C], or null. `room`
// has place for three rows.
template <class T>
void backward_row(const LayerNormBackward& args, std::int64_t n, T* partial, T* room) {
  const std::int64_t channels = args.channels, at = n * channels;
  T* ds = room;
  T* factors = room + channels;
  const T* dy = gradient_of_y(args, at, room + 2 * channels);
  const T* s = static_cast<const T*>(args.sum) + at;
  const Moments<T> moments{static_cast<const T*>(args.mean)[n], static_cast<const T*>(args.rstd)[n]};
  if (partial != nullptr) vectorized<add_parameter_gradients<T>>(partial, partial + channels, dy, s, moments, channels);
  if (!args.dx && !args.dresidual) return;
  vectorized<sum_gradient<T>>(ds, dy, s, static_cast<const T*>(args.weight), moments, channels);
  if (args.dsum != nullptr) vectorized<add<T>>(ds, static_cast<const T*>(args.dsum) + at, channels);
  if (args.dresidual)
    vectorized<store<T>>(static_cast<T*>(args.dresidual.data) + at, args.dresidual.accumulate(), ds, nullptr, channels);
  if (!args.dx) return;
  if (args.dropout.active()) dropout_factors(factors, args.dropout, 0, args.dropout.row_keys[n], 0, channels);
  vectorized<store<T>>(static_cast<T*>(args.dx.data) + at, args.dx.accumulate(), ds,
                       args.dropout.active() ? factors : nullptr, channels);
}

}  // namespace

void layernorm_forward(const CpuContext&, const LayerNormForward& args) {
  dispatch_float(args.dtype, "layernorm", [&]<class T>() {
    parallel_for(args.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
      T* factors = scratch<T>(ScratchSlot::kRow, args.channels);
      for (std::int64_t n = begin; n < end; ++n) forward_row<T>(args, n, factors);
    });
  });
}

void layernorm_backward(const CpuContext&, const LayerNormBackward& args) {
  dispatch_float(args.dtype, "layernorm backward", [&]<class T>() {
    const std::int64_t channels = args.channels;
    const bool parameters = args.dweight || args.dbias;
    const RowChunks chunks(args.rows);
    T* partials = parameters ? scratch<T>(ScratchSlot::kPartials, chunks.count * 2 * channels) : nullptr;
    parallel_for(args.rows, chunks.size, [&](std::int64_t begin, std::int64_t end) {
      T* partial = parameters ? partials + begin / chunks.size * 2 * channels : nullptr;
      if (parameters) std::fill(partial, partial + 2 * channels, T(0));
      T* room = scratch<T>(ScratchSlot::kRow, 3 * channels);
      for (std::int64_t n = begin; n < end; ++n) backward_row<T>(args, n, partial, room);
    });
    if (args.dweight)
      add_partials(static_cast<T*>(args.dweight.data), args.dweight.accumulate(), partials, chunks.count, 2 * channels,
                   channels);
    if (args.dbias)
      add_partials(static_cast<T*>(args.dbias.data), args.dbias.accumulate(), partials + channels, chunks.count,
                   2 * channels, channels);
  });
}

}  // namespace attune::kernels
