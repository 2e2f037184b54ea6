// Attention of each sequence and head, over the keys j that query i sees:
//
//   s[i, j] = scale q[i] . k[j]        scale = 1 / sqrt(D)
//   p[i, j] = exp(s[i, j]) / sum_j exp(s[i, j])        lse[i] = log(sum_j exp(s[i, j]))
//   out[i] = sum_j f[i, j] p[i, j] v[j]        f: the factors of dropout (dropout.h); 1 without it
//
//   dp[i, j] = f[i, j] dout[i] . v[j]        ds[i, j] = p[i, j] (dp[i, j] - sum_k p[i, k] dp[i, k])
//   dq[i] = scale sum_j ds[i, j] k[j]        dk[j] = scale sum_i ds[i, j] q[i]
//   dv[j] = sum_i f[i, j] p[i, j] dout[i]
//
// Query i sees the real keys of its sequence; where attention is causal, only those with j <= i; where there is a
// window, only those with |i - j| <= window. A query that sees no key has out = 0 and lse = -infinity.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/oracles/dropout.h"
#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

struct Attention {
  Numbers out, lse, dqkv;  // [N, H, D], [H, N], [N, 3, H, D]
};

/// The keys that query i of sequence b sees.
inline std::vector<std::size_t> keys_of(const AttentionSpec& spec, std::size_t b, std::size_t i) {
  const std::int32_t length = spec.lengths[b], real = spec.key_lengths.empty() ? length : spec.key_lengths[b];
  const auto query = static_cast<std::int64_t>(i);
  std::vector<std::size_t> keys;
  for (std::int64_t j = 0; j < real; ++j)
    if ((!spec.causal || j <= query) && (spec.window < 0 || std::abs(query - j) <= spec.window))
      keys.push_back(static_cast<std::size_t>(j));
  return keys;
}

/// f[i, j] of sequence b and head h; the key of row i is 2^16 b + i.
inline double attention_factor(const AttentionSpec& spec, std::size_t b, std::size_t h, std::size_t i, std::size_t j) {
  if (spec.p == 0) return 1;
  const Dropout dropout{.p = static_cast<double>(spec.p),
                        .seed = kAttentionSeed,
                        .step = kAttentionStep,
                        .site = kAttentionSite + static_cast<std::uint32_t>(h)};
  return dropout_factor(dropout, static_cast<std::uint32_t>(b << 16 | i), static_cast<std::uint32_t>(j));
}

/// qkv [N, 3, H, D], dout [N, H, D]. `round` is applied to s, p, out, dp, ds and the gradients, and changes nothing by
/// default. With rounding to bfloat16, the result is that of a framework without a fused kernel, which stores each of these.
template <class Round = std::identity>
Attention attention(const AttentionSpec& spec, const Numbers& qkv, const Numbers& dout, Round round = {}) {
  const auto heads = static_cast<std::size_t>(spec.heads), size = static_cast<std::size_t>(spec.head_size);
  const std::size_t width = heads * size, rows = dout.size() / width;
  const double scale = 1 / std::sqrt(static_cast<double>(size));
  Attention result{Numbers(dout.size(), 0.0), Numbers(heads * rows, -std::numeric_limits<double>::infinity()),
                   Numbers(qkv.size(), 0.0)};
  std::size_t first = 0;  // row of the sequence
  for (std::size_t b = 0; b < spec.lengths.size(); ++b) {
    const auto length = static_cast<std::size_t>(spec.lengths[b]);
    for (std::size_t h = 0; h < heads; ++h) {
      const auto at_out = [&](std::size_t i, std::size_t d) { return (first + i) * width + h * size + d; };
      const auto at = [&](std::size_t part, std::size_t i, std::size_t d) {
        return ((first + i) * 3 + part) * width + h * size + d;
      };
      const auto q = [&](std::size_t i, std::size_t d) { return qkv[at(0, i, d)]; };
      const auto k = [&](std::size_t j, std::size_t d) { return qkv[at(1, j, d)]; };
      const auto v = [&](std::size_t j, std::size_t d) { return qkv[at(2, j, d)]; };
      for (std::size_t i = 0; i < length; ++i) {
        const std::vector<std::size_t> keys = keys_of(spec, b, i);
        if (keys.empty()) continue;
        Numbers p(length), f(length), dp(length);
        double top = -std::numeric_limits<double>::infinity(), sum = 0, mean = 0;
        for (std::size_t j : keys) {
          double score = 0;
          for (std::size_t d = 0; d < size; ++d) score += q(i, d) * k(j, d);
          p[j] = round(round(score) * scale);
          top = std::max(top, p[j]);
        }
        for (std::size_t j : keys) sum += p[j] = std::exp(p[j] - top);  // top cancels; without it exp may overflow
        result.lse[h * rows + first + i] = top + std::log(sum);
        for (std::size_t j : keys) {
          p[j] = round(p[j] / sum);
          f[j] = attention_factor(spec, b, h, i, j);
        }
        for (std::size_t d = 0; d < size; ++d) {
          double out = 0;
          for (std::size_t j : keys) out += f[j] * p[j] * v(j, d);
          result.out[at_out(i, d)] = round(out);
        }

        for (std::size_t j : keys) {
          for (std::size_t d = 0; d < size; ++d) dp[j] += dout[at_out(i, d)] * v(j, d);
          dp[j] = f[j] * round(dp[j]);
          mean += p[j] * dp[j];
        }
        for (std::size_t j : keys) {
          const double ds = round(round(p[j] * (dp[j] - mean)) * scale);
          for (std::size_t d = 0; d < size; ++d) {
            result.dqkv[at(0, i, d)] += ds * k(j, d);
            result.dqkv[at(1, j, d)] += ds * q(i, d);
            result.dqkv[at(2, j, d)] += f[j] * p[j] * dout[at_out(i, d)];
          }
        }
      }
    }
    first += length;
  }
  for (double& x : result.dqkv) x = round(x);
  return result;
}

}  // namespace attune::testing::oracle
