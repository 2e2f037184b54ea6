// Ops that do several steps at once against the steps one by one, and attention of one batch in every layout that says the
// same: on the CPU and on the CUDA device. The steps themselves have other tests. Elsewhere are: cross-entropy, embedding
// and attention against their formulas (definition_test.cpp, attention_test.cpp), and AdamW's late rows
// (tests/engine/optim/late_rows_test.cpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>

#include "kernels/cuda/device_info.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {
namespace {

using namespace kernels;

using Numbers = std::vector<double>;

struct Setting {
  const char* name;
  bool cuda;
  DType dtype;
};

class Backends : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    if (!GetParam().cuda) return;
    if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
    cuda_ = std::make_unique<CudaBackend>();
  }
  DType dtype() const { return GetParam().dtype; }

  /// `given` in place of the random inputs of the same name.
  Values run_case(const OpCase& op, const Values& given) {
    Values inputs = random_inputs(op);
    for (auto& [name, values] : inputs)
      if (given.contains(name)) values = given.at(name);
    return run(op, cuda_ ? *cuda_ : cpu_backend(), rounded_inputs(op, inputs, dtype()), {.dtype = dtype()});
  }

 private:
  std::unique_ptr<CudaBackend> cuda_;
};

class FusedOps : public Backends {};
class AttentionLayouts : public Backends {};

Numbers combined(const Numbers& a, const Numbers& b, const std::function<double(double, double)>& f) {
  Numbers out(a.size());
  std::transform(a.begin(), a.end(), b.begin(), out.begin(), f);
  return out;
}
Numbers sum(const Numbers& a, const Numbers& b) {
  return combined(a, b, std::plus<>());
}
Numbers product(const Numbers& a, const Numbers& b) {
  return combined(a, b, std::multiplies<>());
}

TEST_P(FusedOps, LayerNormIsDropoutThenResidualThenNorm) {
  constexpr std::int64_t kRows = 37, kChannels = 131;
  constexpr float kP = 0.3F;
  const OpCase fused = layernorm_case(kRows, kChannels, {.residual = true, .p = kP, .stream = true});
  const OpCase drop = dropout_case(kRows, kChannels, kP), norm = layernorm_case(kRows, kChannels, {});
  const Values in = random_inputs(fused), found = run_case(fused, in);

  const Numbers dropped = run_case(drop, {{"x", in.at("x")}}).at("y");
  const Numbers stream =
      run_case(residual_case(kRows, kChannels, 0), {{"residual", in.at("residual")}, {"x", dropped}}).at("y");
  const Values normed = run_case(norm, {{"x", stream},
                                        {"weight", in.at("weight")},
                                        {"bias", in.at("bias")},
                                        {"dy", sum(in.at("dy"), in.at("dstream"))}});
  const Numbers dsum = sum(normed.at("grad x"), in.at("dsum"));
  const Values back = run_case(drop, {{"x", in.at("x")}, {"dy", dsum}});
  expect_close("sum", found.at("sum"), stream, kElementwise, dtype());
  for (const char* name : {"y", "stream"}) expect_close(name, found.at(name), normed.at("y"), kReduction, dtype());
  for (const char* name : {"grad weight", "grad bias"})
    expect_close(name, found.at(name), normed.at(name), kReduction, dtype());
  expect_close("dresidual", found.at("grad residual"), dsum, kReduction, dtype());
  expect_close("dx", found.at("grad x"), back.at("grad x"), kReduction, dtype());
}

TEST_P(FusedOps, ResidualIsDropoutThenSum) {
  const Values in = random_inputs(residual_case(23, 37, 0.3F));
  const Numbers dropped = run_case(dropout_case(23, 37, 0.3F), {{"x", in.at("x")}}).at("y");
  expect_close("y", run_case(residual_case(23, 37, 0.3F), in).at("y"), sum(in.at("residual"), dropped), kElementwise,
               dtype());
}

TEST_P(FusedOps, GluIsActivationThenProduct) {
  constexpr std::size_t kRows = 5, kChannels = 37;
  for (const Activation kind : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu, Activation::kTanh}) {
    const OpCase fused = glu_case(kRows, kChannels, kind);
    const Values in = random_inputs(fused), found = run_case(fused, in);
    Numbers halves[2], dhalves[2];
    for (std::size_t i = 0; i < in.at("u").size(); ++i) {
      halves[i / kChannels % 2].push_back(in.at("u")[i]);
      dhalves[i / kChannels % 2].push_back(found.at("grad u")[i]);
    }
    const Numbers& dy = in.at("dy");
    const Values active =
        run_case(activation_case(kRows * kChannels, kind), {{"x", halves[0]}, {"dy", product(dy, halves[1])}});
    expect_close("y", found.at("y"), product(active.at("y"), halves[1]), kElementwise, dtype());
    expect_close("d first", dhalves[0], active.at("grad x"), kElementwise, dtype());
    expect_close("d second", dhalves[1], product(dy, active.at("y")), kElementwise, dtype());
  }
}

// The rows that are tokens, of `width` values each: the first key_lengths[b] of every lengths[b].
Numbers tokens_of(const Numbers& values, const AttentionSpec& padded) {
  const auto rows = std::accumulate(padded.lengths.begin(), padded.lengths.end(), std::ptrdiff_t{0});
  const std::ptrdiff_t width = std::ssize(values) / rows;
  Numbers out;
  auto row = values.begin();
  for (std::size_t b = 0; b < padded.lengths.size(); ++b) {
    out.insert(out.end(), row, row + padded.key_lengths[b] * width);
    row += padded.lengths[b] * width;
  }
  return out;
}

// Zeros in the rows that are not tokens: nothing flows back into padding.
void clear_padding(Numbers& values, const AttentionSpec& padded) {
  const auto rows = std::accumulate(padded.lengths.begin(), padded.lengths.end(), std::ptrdiff_t{0});
  const std::ptrdiff_t width = std::ssize(values) / rows;
  auto row = values.begin();
  for (std::size_t b = 0; b < padded.lengths.size(); ++b) {
    std::fill(row + padded.key_lengths[b] * width, row + padded.lengths[b] * width, 0.0);
    row += padded.lengths[b] * width;
  }
}

// Padding changes neither the result of the tokens nor, if nothing flows back into it, their gradients.
TEST_P(AttentionLayouts, APaddedBatchIsThePackedOne) {
  for (const float p : {0.0F, 0.3F})
    for (const bool causal : {false, true})
      for (const std::int64_t window : {-1, 8}) {
        const AttentionSpec packed{.label = "packed",
                                   .lengths = {90, 70, 1},
                                   .heads = 2,
                                   .head_size = 32,
                                   .causal = causal,
                                   .window = window,
                                   .p = p};
        AttentionSpec padded = packed;
        padded.lengths = {90, 90, 90}, padded.key_lengths = packed.lengths;
        const OpCase padded_op = attention_case(padded), packed_op = attention_case(packed);
        Values in = random_inputs(padded_op);
        clear_padding(in.at("dout"), padded);
        const Values a = run_case(padded_op, in);
        const Values b =
            run_case(packed_op, {{"qkv", tokens_of(in.at("qkv"), padded)}, {"dout", tokens_of(in.at("dout"), padded)}});
        for (const char* name : {"out", "grad qkv"})
          expect_close(name, tokens_of(a.at(name), padded), b.at(name), kReduction, dtype());
      }
}

// A batch of texts and each text alone, without dropout, whose masks depend on the place in the batch.
TEST_P(AttentionLayouts, ABatchIsItsTextsAlone) {
  for (const bool causal : {false, true})
    for (const std::int64_t window : {-1, 8}) {
      AttentionSpec spec{
          .label = "batch", .lengths = {70, 1, 33}, .heads = 2, .head_size = 32, .causal = causal, .window = window};
      const Values in = random_inputs(attention_case(spec)), whole = run_case(attention_case(spec), in);
      std::ptrdiff_t first = 0;
      for (const std::int32_t length : std::vector(spec.lengths)) {
        const auto part = [&](const Numbers& values) {
          const std::ptrdiff_t width = std::ssize(values) / 104;
          return Numbers(values.begin() + first * width, values.begin() + (first + length) * width);
        };
        spec.lengths = {length};
        const Values alone =
            run_case(attention_case(spec), {{"qkv", part(in.at("qkv"))}, {"dout", part(in.at("dout"))}});
        for (const char* name : {"out", "grad qkv"})
          expect_close(name, part(whole.at(name)), alone.at(name), kReduction, dtype());
        first += length;
      }
    }
}

// A window over everything, key lengths of everything, and for a causal mask the text without its end.
TEST_P(AttentionLayouts, MasksThatHideTheSame) {
  const AttentionSpec plain{.label = "plain", .lengths = {75}, .heads = 2, .head_size = 32};
  for (const bool causal : {false, true}) {
    AttentionSpec spec = plain;
    spec.causal = causal;
    const OpCase op = attention_case(spec);
    const Values in = random_inputs(op), expected = run_case(op, in);
    AttentionSpec window = spec, keys = spec;
    window.window = 74, keys.key_lengths = {75};
    for (const AttentionSpec& other : {window, keys})
      for (const char* name : {"out", "grad qkv"})
        expect_close(name, run_case(attention_case(other), in).at(name), expected.at(name), kReduction, dtype());
    if (!causal) continue;
    AttentionSpec prefix = spec;
    prefix.lengths = {40};
    const Numbers qkv(in.at("qkv").begin(), in.at("qkv").begin() + 40 * 3 * 64);
    const Numbers out(expected.at("out").begin(), expected.at("out").begin() + 40 * 64);
    expect_close("prefix", run_case(attention_case(prefix), {{"qkv", qkv}}).at("out"), out, kReduction, dtype());
  }
}

std::string setting_name(const ::testing::TestParamInfo<Setting>& setting) {
  return setting.param.name;
}

constexpr Setting kCpu32{"cpu_float32", false, DType::kFloat32}, kCpu64{"cpu_float64", false, DType::kFloat64},
    kCuda32{"cuda_float32", true, DType::kFloat32}, kCuda16{"cuda_bfloat16", true, DType::kBFloat16};
// Steps that are rounded to bfloat16 one by one are not the op that is rounded once.
INSTANTIATE_TEST_SUITE_P(Exact, FusedOps, ::testing::Values(kCpu32, kCpu64, kCuda32), setting_name);
INSTANTIATE_TEST_SUITE_P(All, AttentionLayouts, ::testing::Values(kCpu32, kCpu64, kCuda32, kCuda16), setting_name);

}  // namespace
}  // namespace attune::testing
