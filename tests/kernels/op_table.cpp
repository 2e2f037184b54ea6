// The table: test_cases() and speed_cases() choose the sizes of the cases.
#include <array>
#include <cstdint>
#include <vector>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/op_case.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {
namespace {

using namespace kernels;

constexpr float kDropoutP = 0.3f;
constexpr Activation kActivations[] = {Activation::kGeluTanh, Activation::kGeluErf, Activation::kRelu,
                                       Activation::kTanh};
constexpr PooledRows kPooledRows[] = {PooledRows::kFirst, PooledRows::kLast, PooledRows::kLastReal, PooledRows::kAll,
                                      PooledRows::kReal};
// Smallest, around one AVX-512 vector of float, odd primes, a model's width.
constexpr std::int64_t kWidths[] = {1, 15, 16, 17, 37, 131, 768};

}  // namespace

std::vector<OpCase> test_cases() {
  std::vector<OpCase> out;
  for (std::int64_t n : {std::int64_t{1}, std::int64_t{16}, std::int64_t{17}, std::int64_t{40009}}) {
    for (Activation kind : kActivations) out.push_back(activation_case(n, kind));
    out.push_back(fill_case(n));
    out.push_back(scale_case(n));
    out.push_back(cast_case(n));
    for (const std::int64_t ranks : {1, 2, 5}) out.push_back(rank_sum_case(ranks, n));
  }
  for (std::int64_t width : kWidths) {
    for (Activation kind : kActivations) out.push_back(glu_case(3, width, kind));
    for (float p : {0.0f, kDropoutP}) {
      out.push_back(dropout_case(5, width, p));
      out.push_back(residual_case(5, width, p));
    }
    // A row of one channel is its own mean: y = bias, and dx vanishes up to rounding, which no relative bound describes.
    if (width > 1)
      for (LayerNormOptions o : {LayerNormOptions{},
                                 {.bias = false},
                                 {.residual = true},
                                 {.residual = true, .p = kDropoutP},
                                 {.residual = true, .stream = true}})
        out.push_back(layernorm_case(7, width, o));
    out.push_back(cross_entropy_case(3, width + 1));
    for (CrossEntropyOptions o : {CrossEntropyOptions{.class_weights = true},
                                  {.label_smoothing = 0.1},
                                  {.class_weights = true, .label_smoothing = 0.35}})
      out.push_back(cross_entropy_case(3, width + 1, o));
    for (bool pos_weights : {false, true}) out.push_back(binary_cross_entropy_case(3, width, pos_weights));
    out.push_back(mean_squared_error_case(width));
    out.push_back(embedding_case(23, width, {11, 9, 0, -1}));
    out.push_back(embedding_case(23, width, {11, 9, 2, -1}));
    for (PooledRows pooled : kPooledRows) out.push_back(pool_case({0, 4, 6, 11}, {3, 2, 0}, 13, width, pooled));
    out.push_back(max_pool_case({0, 4, 4, 5, 11}, 13, width));
  }
  out.push_back(layernorm_case(1000, 37, {.residual = true, .p = kDropoutP}));
  for (const std::int64_t width : {256, 384, 1024, 1028})  // by how many vectors a lane of a CUDA kernel keeps
    out.push_back(layernorm_case(70, width, {.residual = true, .p = kDropoutP}));
  out.push_back(linear_case(3000, 8, 24, true));  // more rows than a block of column sums has threads
  out.push_back(cross_entropy_case(129, 2));
  out.push_back(cross_entropy_case(129, 2, {.class_weights = true, .label_smoothing = 0.1}));
  out.push_back(binary_cross_entropy_case(129, 28, true));
  out.push_back(embedding_case(1, 1, {1, 1, 0, -1}));
  for (PooledRows pooled : kPooledRows) {
    out.push_back(pool_case({0, 1}, {1}, 1, 17, pooled));
    out.push_back(pool_case({0, 700, 1000}, {600, 300}, 1000, 37, pooled));
  }
  out.push_back(max_pool_case({0, 1}, 1, 17));
  out.push_back(max_pool_case({0, 700, 1000}, 1000, 37));
  for (bool bias : {false, true})
    for (auto [n, i, o] : {std::array<std::int64_t, 3>{1, 1, 1},
                           {1, 16, 16},
                           {3, 17, 15},
                           {16, 15, 17},
                           {37, 131, 41},
                           {8, 768, 2},
                           {131, 64, 192},
                           {1031, 37, 67}})
      out.push_back(linear_case(n, i, o, bias));
  for (std::int64_t head_size : {2, 6, 32, 64}) {
    out.push_back(rope_case(7, 1, head_size, head_size));
    out.push_back(rope_case(7, 3, head_size, 9 * head_size));
  }
  for (const AttentionSpec& spec : attention_test_specs()) out.push_back(attention_case(spec));
  out.push_back(adamw_case({1}));
  out.push_back(adamw_case({16, 17, 1, 131}));
  out.push_back(adamw_case({40009, 37}));
  for (std::int64_t width : kWidths) out.push_back(adamw_rows_case(13, width, 9));
  out.push_back(adamw_rows_case(1, 5, 1));
  out.push_back(adamw_rows_case(200, 16, 50));
  out.push_back(moving_average_case({1}));
  out.push_back(moving_average_case({16, 17, 1, 131}));
  out.push_back(moving_average_case({40009, 37}));
  out.push_back(grad_norm_case({1}));
  out.push_back(grad_norm_case({16, 17, 1, 131}));
  out.push_back(grad_norm_case({40009, 37}));
  return out;
}

std::vector<OpCase> speed_cases(SpeedSizes sizes) {
  if (sizes == SpeedSizes::kCeiling) {
    OpCase product = linear_case(8192, 8192, 8192, false);
    product.backward = nullptr;
    return {product};
  }
  const bool real = sizes == SpeedSizes::kReal;
  const std::int64_t tokens = real ? 2048 : 40, words = real ? 50257 : 101, classes_rows = real ? 64 : 4;
  std::vector<OpCase> out;
  out.push_back(fill_case(1));  // what a launch costs
  for (const std::int64_t width : real ? std::vector<std::int64_t>{768, 1024} : std::vector<std::int64_t>{64}) {
    for (Activation kind : kActivations) out.push_back(activation_case(tokens * 4 * width, kind));
    out.push_back(glu_case(tokens, width * 3 / 2, Activation::kGeluErf));
    out.push_back(fill_case(words * width));
    out.push_back(scale_case(tokens * width));
    out.push_back(cast_case(tokens * width));
    out.push_back(rank_sum_case(8, tokens * width));
    out.push_back(dropout_case(tokens, width, 0.1f));
    out.push_back(residual_case(tokens, width, 0));
    out.push_back(residual_case(tokens, width, 0.1f));
    out.push_back(layernorm_case(tokens, width, {}));
    out.push_back(layernorm_case(tokens, width, {.residual = true}));
    out.push_back(layernorm_case(tokens, width, {.residual = true, .p = 0.1f}));
    out.push_back(embedding_case(tokens, width, {words, real ? 1024 : 50, 0, -1}));
    const auto sequence = static_cast<std::int32_t>(tokens / 8);
    std::vector<std::int32_t> offsets;
    for (std::int32_t b = 0; b <= 8; ++b) offsets.push_back(b * sequence);
    for (PooledRows pooled : {PooledRows::kLast, PooledRows::kAll})
      out.push_back(pool_case(offsets, std::vector<std::int32_t>(8, sequence), tokens, width, pooled));
    out.push_back(max_pool_case(offsets, tokens, width));
    out.push_back(rope_case(tokens, width / 64, 64, 3 * width, true));
    for (auto [i, o] :
         {std::array<std::int64_t, 2>{width, width}, {width, 3 * width}, {width, 4 * width}, {4 * width, width}})
      out.push_back(linear_case(tokens, i, o, true));
    out.push_back(linear_case(8, width, 2, true));
    out.push_back(adamw_case({words * width}, true));
    out.push_back(adamw_rows_case(words, width, tokens, true));
    out.push_back(moving_average_case({words * width}, true));
    out.push_back(grad_norm_case({words * width}));
  }
  out.push_back(cross_entropy_case(8, 2));
  out.push_back(cross_entropy_case(classes_rows, words));
  out.push_back(cross_entropy_case(classes_rows, words, {.class_weights = true, .label_smoothing = 0.1}));
  out.push_back(binary_cross_entropy_case(classes_rows, 28, true));
  out.push_back(mean_squared_error_case(classes_rows));
  for (const AttentionSpec& spec : attention_speed_specs(sizes)) out.push_back(attention_case(spec));
  if (real)  // a small model
    for (auto [i, o] : {std::array<std::int64_t, 2>{256, 256}, {256, 1024}, {1024, 256}})
      out.push_back(linear_case(tokens, i, o, true));
  return out;
}

}  // namespace attune::testing
