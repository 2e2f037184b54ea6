// Inverted dropout with counter-based randomness.
//
//   y[n, c] = keep(n, c) ? x[n, c] / (1 - p) : 0        p rounded to a multiple of 2^-16
//
// keep is a pure function of (seed, step, site, example, position, channel): 16 random bits are compared with p * 2^16.
// Eight channels share philox4x32(seed, {step, site, row_keys[n], c / 8}); the bits of channel c are in its word
// c % 8 / 2, the lower half if c is even. Neither the layout of a batch (padded or packed), nor the backend, nor the
// number of threads changes what is dropped, and backward replays the mask instead of storing it.
//
// Srivastava et al.: "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "base/philox.h"
#include "kernels/context.h"

namespace attune::kernels {

/// Which elements a dropout site drops. p = 0 turns it off; the other fields are then unused.
struct DropoutMask {
  float p = 0;                              // probability of dropping, in [0, 1)
  std::uint64_t seed = 0;                   // of the run
  std::uint32_t step = 0;                   // of the run: forward passes in training
  std::uint32_t site = 0;                   // which dropout of the model; attention adds the head (site + head)
  const std::uint32_t* row_keys = nullptr;  // [N] example << 16 | position of each row
  const std::uint32_t* step_at =
      nullptr;  // [1] read instead of `step`, so that a captured step can be replayed; or null

  bool active() const { return p > 0; }
  /// The step, if `step_at` is in host memory or null.
  constexpr std::uint32_t drawn_step() const { return step_at == nullptr ? step : *step_at; }
  /// Elements whose 16 random bits are below this are dropped: p * 2^16 to the nearest integer below 2^16.
  std::uint32_t threshold() const {
    const double share = static_cast<double>(p) * 65536.0 + 0.5;
    return share < 65535.0 ? static_cast<std::uint32_t>(share) : 65535u;
  }
  /// The factor of kept elements, of p as it was rounded.
  double scale() const { return 65536.0 / (65536.0 - threshold()); }
};

/// Packs the (example, position) of a token into a row key; both below 65,536.
constexpr std::uint32_t row_key(std::uint32_t example, std::uint32_t position) {
  return example << 16 | position;
}

/// y = dropout(x). Backward is the same call on dy.
struct Dropout {
  void* y;        // [N, C]; may be x
  const void* x;  // [N, C]
  std::int64_t rows, channels;
  DropoutMask mask;
  GradMode mode = GradMode::kWrite;  // kAccumulate: y += dropout(x)
  DType dtype;
};

void dropout(const CpuContext&, const Dropout&);
void dropout(const CudaContext&, const Dropout&);

}  // namespace attune::kernels
