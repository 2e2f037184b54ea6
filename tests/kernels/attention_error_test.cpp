// The rule of FlashAttention's tests: against float64, bfloat16 attention is off by at most twice what a naive bfloat16
// run is off by, which rounds the scores, the probabilities and their gradients to bfloat16 as a framework without a
// fused kernel does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/bfloat16.h"
#include "kernels/cuda/device_info.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/harness.h"

namespace attune::testing {
namespace {

using namespace kernels;

double rounded(double x) {
  return to_float(to_bfloat16(static_cast<float>(x)));
}

struct Naive {
  std::vector<double> out, grad;  // as attention_case lays them out
};

// One whole sequence, no mask but the causal one.
Naive naive(const AttentionSpec& spec, const std::vector<double>& qkv, const std::vector<double>& dout) {
  const auto length = static_cast<std::size_t>(spec.lengths[0]), heads = static_cast<std::size_t>(spec.heads),
             size = static_cast<std::size_t>(spec.head_size), width = heads * size;
  Naive result{std::vector<double>(length * width), std::vector<double>(qkv.size(), 0.0)};
  const double scale = 1 / std::sqrt(static_cast<double>(size));
  for (std::size_t h = 0; h < heads; ++h) {
    const auto at = [&](std::size_t i, std::size_t part, std::size_t d) {
      return (i * 3 + part) * width + h * size + d;
    };
    std::vector<double> p(length * length, 0.0);
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t end = spec.causal ? i + 1 : length;
      double top = -INFINITY, sum = 0;
      for (std::size_t j = 0; j < end; ++j) {
        double dot = 0;
        for (std::size_t d = 0; d < size; ++d) dot += qkv[at(i, 0, d)] * qkv[at(j, 1, d)];
        p[i * length + j] = rounded(rounded(dot) * scale);
        top = std::max(top, p[i * length + j]);
      }
      for (std::size_t j = 0; j < end; ++j) sum += p[i * length + j] = std::exp(p[i * length + j] - top);
      for (std::size_t j = 0; j < end; ++j) p[i * length + j] = rounded(p[i * length + j] / sum);
      for (std::size_t d = 0; d < size; ++d) {
        double o = 0;
        for (std::size_t j = 0; j < end; ++j) o += p[i * length + j] * qkv[at(j, 2, d)];
        result.out[i * width + h * size + d] = rounded(o);
      }
    }
    for (std::size_t i = 0; i < length; ++i) {
      std::vector<double> dp(length, 0.0);
      double delta = 0;
      for (std::size_t j = 0; j < length; ++j) {
        for (std::size_t d = 0; d < size; ++d) dp[j] += dout[i * width + h * size + d] * qkv[at(j, 2, d)];
        dp[j] = rounded(dp[j]);
        delta += p[i * length + j] * dp[j];
      }
      for (std::size_t j = 0; j < length; ++j) {
        const double ds = rounded(rounded(p[i * length + j] * (dp[j] - delta)) * scale);
        for (std::size_t d = 0; d < size; ++d) {
          result.grad[at(i, 0, d)] += ds * qkv[at(j, 1, d)];
          result.grad[at(j, 1, d)] += ds * qkv[at(i, 0, d)];
          result.grad[at(j, 2, d)] += p[i * length + j] * dout[i * width + h * size + d];
        }
      }
    }
  }
  std::transform(result.grad.begin(), result.grad.end(), result.grad.begin(), rounded);
  return result;
}

double worst(const std::vector<double>& values, const std::vector<double>& reference) {
  double out = 0;
  for (std::size_t i = 0; i < values.size(); ++i) out = std::max(out, std::fabs(values[i] - reference[i]));
  return out;
}

TEST(AttentionError, AtMostTwiceANaiveRun) {
  if (!cuda::available()) GTEST_SKIP() << "no GPU, and ATTUNE_SIMULATE_GPU=1 is not set";
  CudaBackend backend;
  for (const AttentionSpec& spec :
       {AttentionSpec{.label = "d32", .lengths = {150}, .heads = 2, .head_size = 32},
        AttentionSpec{.label = "d64_causal", .lengths = {130}, .heads = 2, .head_size = 64, .causal = true},
        AttentionSpec{.label = "d128", .lengths = {100}, .heads = 1, .head_size = 128}}) {
    const OpCase op = attention_case(spec);
    const Values inputs = rounded_inputs(op, random_inputs(op), DType::kBFloat16);
    const Values reference = run(op, cpu_backend(), inputs, {.dtype = DType::kFloat64});
    const Values values = run(op, backend, inputs, {.dtype = DType::kBFloat16});
    const Naive plain = naive(spec, inputs.at("qkv"), inputs.at("dout"));
    EXPECT_LE(worst(values.at("out"), reference.at("out")), 2 * worst(plain.out, reference.at("out"))) << spec.label;
    EXPECT_LE(worst(values.at("grad qkv"), reference.at("grad qkv")), 2 * worst(plain.grad, reference.at("grad qkv")))
        << spec.label;
    EXPECT_GT(worst(plain.grad, reference.at("grad qkv")), 0) << spec.label;
    EXPECT_LT(worst(plain.grad, reference.at("grad qkv")), 0.05) << spec.label;  // the naive run itself is right
  }
}

// Scores so large that a unit of them is lost in their rounding: no gradient overflows for it.
TEST(AttentionError, LargeScoresHaveFiniteGradients) {
  if (!cuda::available()) GTEST_SKIP() << "no GPU, and ATTUNE_SIMULATE_GPU=1 is not set";
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

}  // namespace
}  // namespace attune::testing
