// Attention has more ways to differ than sizes: its cases are described by a spec.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/kernels/op_case.h"

namespace attune::testing {

struct AttentionSpec {
  std::string label;
  std::vector<std::int32_t> lengths;           // rows of each sequence
  std::vector<std::int32_t> key_lengths = {};  // empty: all rows are keys
  std::int64_t heads = 1, head_size = 32;
  bool causal = false;
  std::int64_t window = -1;
  float p = 0;
};

/// The random numbers of the dropout of every case; head h has the site kAttentionSite + h.
inline constexpr std::uint64_t kAttentionSeed = 99;
inline constexpr std::uint32_t kAttentionStep = 3, kAttentionSite = 40;

/// Attention on a fused projection `qkv` [N, 3, H, D], as models use it. Outputs `out` [N, H, D] and `lse` [H, N].
OpCase attention_case(const AttentionSpec& spec);

std::vector<AttentionSpec> attention_test_specs();
std::vector<AttentionSpec> attention_speed_specs(SpeedSizes sizes);

}  // namespace attune::testing
