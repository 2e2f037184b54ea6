#include "kernels/dropout.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/parallel.h"
#include "kernels/cpu/dropout_mask.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"
#include "kernels/scale.h"

namespace attune::kernels {
namespace {

constexpr std::int64_t kBlocks = 32;             // counters drawn side by side
constexpr std::int64_t kChannels = 8 * kBlocks;  // the channels they decide

// factors[0 .. kChannels) of the channels from 8 * first on. The rounds of base/philox.h, many counters at a time.
template <class T>
ATTUNE_INLINE void draw(T* factors, const DropoutMask& mask, std::uint32_t site, std::uint32_t key,
                        std::uint32_t first) {
  std::uint32_t k0 = static_cast<std::uint32_t>(mask.seed), k1 = static_cast<std::uint32_t>(mask.seed >> 32);
  const auto threshold = static_cast<std::uint16_t>(mask.threshold());
  const T kept = static_cast<T>(mask.scale());
  alignas(64) std::uint32_t c0[kBlocks], c1[kBlocks], c2[kBlocks], c3[kBlocks], words[4 * kBlocks];
  const std::uint32_t step = mask.drawn_step();
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    c0[i] = step;
    c1[i] = site;
    c2[i] = key;
    c3[i] = first + i;
  }
  for (int round = 0; round < kPhiloxRounds; ++round) {
    for (std::int64_t i = 0; i < kBlocks; ++i) {
      const std::uint64_t p0 = static_cast<std::uint64_t>(0xD2511F53u) * c0[i];
      const std::uint64_t p1 = static_cast<std::uint64_t>(0xCD9E8D57u) * c2[i];
      c0[i] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
      c1[i] = static_cast<std::uint32_t>(p1);
      c2[i] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c3[i] = static_cast<std::uint32_t>(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (std::int64_t i = 0; i < kBlocks; ++i) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
  static_assert(std::endian::native == std::endian::little);  // the lower half of a word comes first
  alignas(64) std::uint16_t halves[kChannels];
  std::memcpy(halves, words, sizeof halves);
  for (std::int64_t i = 0; i < kChannels; ++i) factors[i] = halves[i] < threshold ? T(0) : kept;
}

template <class T, bool accumulate>
ATTUNE_INLINE void multiply_row(T* y, const T* x, const T* factors, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = accumulate ? y[i] + x[i] * factors[i] : x[i] * factors[i];
}

}  // namespace

template <class T>
void dropout_factors(T* factors, const DropoutMask& mask, std::uint32_t site_offset, std::uint32_t key,
                     std::int64_t begin, std::int64_t n) {
  T edge[kChannels];
  const std::int64_t end = begin + n;
  for (std::int64_t channel = begin / 8 * 8; channel < end; channel += kChannels) {
    const bool whole = channel >= begin && channel + kChannels <= end;
    vectorized<draw<T>>(whole ? factors + (channel - begin) : edge, mask, mask.site + site_offset, key,
                        static_cast<std::uint32_t>(channel / 8));
    if (whole) continue;
    const std::int64_t from = std::max(channel, begin), to = std::min(channel + kChannels, end);
    std::copy(edge + (from - channel), edge + (to - channel), factors + (from - begin));
  }
}

template void dropout_factors(float*, const DropoutMask&, std::uint32_t, std::uint32_t, std::int64_t, std::int64_t);
template void dropout_factors(double*, const DropoutMask&, std::uint32_t, std::uint32_t, std::int64_t, std::int64_t);

void dropout(const CpuContext&, const Dropout& args) {
  if (!args.mask.active()) {
    scale(CpuContext{},
          {.y = args.y, .x = args.x, .n = args.rows * args.channels, .mode = args.mode, .dtype = args.dtype});
    return;
  }
  dispatch_float(args.dtype, "dropout", [&]<class T>() {
    parallel_for(args.rows, row_grain(args.channels), [&](std::int64_t begin, std::int64_t end) {
      T* factors = scratch<T>(ScratchSlot::kRow, args.channels);
      for (std::int64_t n = begin; n < end; ++n) {
        dropout_factors(factors, args.mask, 0, args.mask.row_keys[n], 0, args.channels);
        T* y = static_cast<T*>(args.y) + n * args.channels;
        const T* x = static_cast<const T*>(args.x) + n * args.channels;
        if (args.mode == GradMode::kAccumulate)
          vectorized<multiply_row<T, true>>(y, x, factors, args.channels);
        else
          vectorized<multiply_row<T, false>>(y, x, factors, args.channels);
      }
    });
  });
}

}  // namespace attune::kernels
