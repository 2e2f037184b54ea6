// Dropout factors, as kernels/dropout.h defines them.
#pragma once

#include <cstdint>

#include "kernels/cuda/platform.cuh"
#include "kernels/dropout.h"

namespace attune::device {

/// A DropoutMask as kernels take it.
struct DropoutPlan {
  std::uint64_t seed;
  std::uint32_t step, site, threshold;
  float scale;
  const std::uint32_t* row_keys;  // null: nothing is dropped
  const std::uint32_t* step_at;   // null: step is known
};

inline DropoutPlan plan_of(const kernels::DropoutMask& mask) {
  if (!mask.active())
    return {.seed = 0, .step = 0, .site = 0, .threshold = 0, .scale = 1, .row_keys = nullptr, .step_at = nullptr};
  return {.seed = mask.seed,
          .step = mask.step,
          .site = mask.site,
          .threshold = mask.threshold(),
          .scale = static_cast<float>(mask.scale()),
          .row_keys = mask.row_keys,
          .step_at = mask.step_at};
}

/// The step of a plan, read from memory if it is there: once, at the start of a kernel.
__device__ __forceinline__ std::uint32_t step_of(const DropoutPlan& plan) {
  return plan.step_at == nullptr ? plan.step : load_global(plan.step_at);
}

/// The factor of the element whose bits are a half of a word.
__device__ __forceinline__ float dropout_factor(const DropoutPlan& plan, std::uint32_t word, int half) {
  // The upper half decides alone whether a word is below the threshold times 2^16.
  return (half == 0 ? word << 16 : word) < plan.threshold << 16 ? 0.0f : plan.scale;
}

/// The factors of channels channel .. channel + N - 1 of a row. N is 1 or a multiple of 4; channel is a multiple of N.
template <int N>
__device__ __forceinline__ void dropout_factors(float (&factors)[N], const DropoutPlan& plan, std::uint32_t site_offset,
                                                std::uint32_t key, std::uint32_t channel) {
  static_assert(N == 1 || N == 4 || N % 8 == 0);
#pragma unroll
  for (int i = 0; i < N; i += 8) {
    const PhiloxBits words =
        philox4x32(plan.seed, {plan.step, plan.site + site_offset, key, (channel + static_cast<std::uint32_t>(i)) / 8});
    if constexpr (N == 1) {
      const std::uint32_t at = channel / 2 % 4;
      const std::uint32_t word = at == 0 ? words[0] : at == 1 ? words[1] : at == 2 ? words[2] : words[3];
      factors[0] = dropout_factor(plan, word, static_cast<int>(channel % 2));
    } else if constexpr (N == 4) {
      const bool second = channel % 8 != 0;
      const std::uint32_t own[2] = {second ? words[2] : words[0], second ? words[3] : words[1]};
#pragma unroll
      for (int j = 0; j < 4; ++j) factors[j] = dropout_factor(plan, own[j / 2], j % 2);
    } else {
#pragma unroll
      for (int j = 0; j < 8; ++j) factors[i + j] = dropout_factor(plan, words[static_cast<std::size_t>(j / 2)], j % 2);
    }
  }
}

/// x[i] *= factor of the element, if anything is dropped.
template <int N>
__device__ __forceinline__ void apply_dropout(float (&x)[N], const DropoutPlan& plan, std::int64_t row,
                                              std::int64_t channel) {
  if (plan.row_keys == nullptr) return;
  float factors[N];
  dropout_factors(factors, plan, 0, load_global(plan.row_keys + row), static_cast<std::uint32_t>(channel));
  for (int i = 0; i < N; ++i) x[i] *= factors[i];
}

}  // namespace attune::device
