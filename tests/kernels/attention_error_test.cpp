// The rule of FlashAttention's tests: the error of bfloat16 attention against float64 is at most twice that of a naive
// bfloat16 run. The naive run rounds scores, probabilities and their gradients to bfloat16, as a framework without a fused
// kernel does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/bfloat16.h"
#include "kernels/cuda/device_info.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/oracles/attention.h"

namespace attune::testing {
namespace {

using namespace kernels;

double rounded_to_bfloat16(double x) {
  return to_float(to_bfloat16(static_cast<float>(x)));
}

double worst(const std::vector<double>& values, const std::vector<double>& reference) {
  double out = 0;
  for (std::size_t i = 0; i < values.size(); ++i) out = std::max(out, std::fabs(values[i] - reference[i]));
  return out;
}

TEST(AttentionError, AtMostTwiceANaiveRun) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  CudaBackend backend;
  for (const AttentionSpec& spec :
       {AttentionSpec{.label = "d32", .lengths = {150}, .heads = 2, .head_size = 32},
        AttentionSpec{.label = "d64_causal", .lengths = {130}, .heads = 2, .head_size = 64, .causal = true},
        AttentionSpec{.label = "d128", .lengths = {100}, .heads = 1, .head_size = 128}}) {
    const OpCase op = attention_case(spec);
    const Values inputs = rounded_inputs(op, random_inputs(op), DType::kBFloat16);
    const Values reference = run(op, cpu_backend(), inputs, {.dtype = DType::kFloat64});
    const Values values = run(op, backend, inputs, {.dtype = DType::kBFloat16});
    const oracle::Attention naive = oracle::attention(spec, inputs.at("qkv"), inputs.at("dout"), rounded_to_bfloat16);
    EXPECT_LE(worst(values.at("out"), reference.at("out")), 2 * worst(naive.out, reference.at("out"))) << spec.label;
    EXPECT_LE(worst(values.at("grad qkv"), reference.at("grad qkv")), 2 * worst(naive.dqkv, reference.at("grad qkv")))
        << spec.label;
    EXPECT_GT(worst(naive.dqkv, reference.at("grad qkv")), 0) << spec.label;
    EXPECT_LT(worst(naive.dqkv, reference.at("grad qkv")), 0.05) << spec.label;  // the naive run itself is right
  }
}

// Scores so large that a unit of them is lost in their rounding: no gradient overflows for it.
TEST(AttentionError, LargeScoresHaveFiniteGradients) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  CudaBackend backend;
  OpCase op = attention_case({.label = "large", .lengths = {70}, .heads = 2, .head_size = 32});
  op.inputs[0].low = -1e5, op.inputs[0].high = 1e5;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const Values values = run(op, backend, rounded_inputs(op, random_inputs(op), dtype), {.dtype = dtype});
    for (const char* name : {"out", "grad qkv"})
      EXPECT_TRUE(std::ranges::all_of(values.at(name), [](double x) { return std::isfinite(x); }))
          << name << " in " << name_of(dtype);
  }
}

// Of the two rows that a lane has, one has scores above the limit from which they are rounded: the other keeps its bits.
TEST(AttentionError, LargeScoresOfARowChangeNoOther) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  CudaBackend backend;
  constexpr std::size_t kRows = 70, kSize = 32;
  const OpCase op = attention_case({.label = "some_large", .lengths = {kRows}, .heads = 1, .head_size = kSize});
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16})
    for (const std::size_t large : {0, 1}) {
      Values inputs = rounded_inputs(op, random_inputs(op), dtype);
      const std::vector<double> usual = run(op, backend, inputs, {.dtype = dtype}).at("out");
      const auto is_large = [&](std::size_t row) { return row / 8 % 2 == large; };
      for (std::size_t row = 0; row < kRows; ++row)
        for (std::size_t c = 0; is_large(row) && c < kSize; ++c) inputs.at("qkv")[row * 3 * kSize + c] *= 1 << 20;
      const std::vector<double> out = run(op, backend, inputs, {.dtype = dtype}).at("out");
      for (std::size_t row = 0; row < kRows; ++row) {
        const std::span before(&usual[row * kSize], kSize), after(&out[row * kSize], kSize);
        EXPECT_NE(std::ranges::equal(before, after), is_large(row)) << row << " in " << name_of(dtype);
      }
    }
}

}  // namespace
}  // namespace attune::testing
