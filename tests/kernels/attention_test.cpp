// Attention against its formula (oracles/attention.h), and what must not depend on the layout of a batch.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/attention_case.h"
#include "tests/kernels/harness.h"
#include "tests/kernels/oracles/attention.h"

namespace attune::testing {
namespace {

using namespace kernels;

class AttentionTest : public ::testing::TestWithParam<AttentionSpec> {};

TEST_P(AttentionTest, FollowsTheDefinition) {
  const OpCase op = attention_case(GetParam());
  const Values inputs = random_inputs(op, 11);
  const oracle::Attention exact = oracle::attention(GetParam(), inputs.at("qkv"), inputs.at("dout"));
  for (DType dtype : {DType::kFloat64, DType::kFloat32}) {
    const Values values = run(op, cpu_backend(), inputs, {.dtype = dtype});
    expect_close(op.name() + ": out", values.at("out"), exact.out, op.tolerance, dtype);
    expect_close(op.name() + ": lse", values.at("lse"), exact.lse, op.tolerance, dtype);
    expect_close(op.name() + ": dqkv", values.at("grad qkv"), exact.dqkv, op.tolerance, dtype);
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, AttentionTest, ::testing::ValuesIn(attention_test_specs()),
                         [](const auto& test) { return test.param.label; });

// The rows of `values` [N, channels] that are tokens of a padded batch, one sequence after the other.
std::vector<double> tokens_of(const std::vector<double>& values, const AttentionSpec& padded, std::int64_t channels) {
  std::vector<double> out;
  auto row = values.begin();
  for (std::size_t b = 0; b < padded.lengths.size(); ++b) {
    out.insert(out.end(), row, row + padded.key_lengths[b] * channels);
    row += padded.lengths[b] * channels;
  }
  return out;
}

// Padding changes neither the result of the tokens nor, if nothing flows back into it, their gradients.
TEST(AttentionLayouts, PaddedEqualsPacked) {
  for (float p : {0.0f, 0.3f})
    for (bool causal : {false, true}) {
      const AttentionSpec padded{.label = "padded",
                                 .lengths = {150, 150, 150},
                                 .key_lengths = {150, 70, 1},
                                 .heads = 2,
                                 .head_size = 64,
                                 .causal = causal,
                                 .p = p};
      const AttentionSpec packed{
          .label = "packed", .lengths = {150, 70, 1}, .heads = 2, .head_size = 64, .causal = causal, .p = p};
      const std::int64_t width = 128;
      const OpCase padded_op = attention_case(padded), packed_op = attention_case(packed);
      Values inputs = random_inputs(padded_op);
      std::size_t row = 0;
      for (std::size_t b = 0; b < 3; ++b)
        for (std::int32_t t = 0; t < 150; ++t, ++row)
          for (std::int64_t c = 0; t >= padded.key_lengths[b] && c < width; ++c)
            inputs["dout"][row * 128 + static_cast<std::size_t>(c)] = 0;
      const Values packed_inputs{{"qkv", tokens_of(inputs["qkv"], padded, 3 * width)},
                                 {"dout", tokens_of(inputs["dout"], padded, width)}};
      for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
        const Values a = run(padded_op, cpu_backend(), inputs, {.dtype = dtype});
        const Values b = run(packed_op, cpu_backend(), packed_inputs, {.dtype = dtype});
        expect_close("out", tokens_of(a.at("out"), padded, width), b.at("out"), kReduction, dtype);
        expect_close("dqkv", tokens_of(a.at("grad qkv"), padded, 3 * width), b.at("grad qkv"), kReduction, dtype);
      }
    }
}

TEST(AttentionLayouts, QueryWithoutKeyGivesZero) {
  const AttentionSpec spec{
      .label = "no_key", .lengths = {9, 9}, .key_lengths = {0, 4}, .heads = 2, .head_size = 8, .window = 2};
  const OpCase op = attention_case(spec);
  const Values values = run(op, cpu_backend(), random_inputs(op), {.dtype = DType::kFloat32});
  for (std::size_t row : {0, 5, 8, 15, 17})  // the first sequence, and queries beyond the window of the second's keys
    for (std::size_t c = 0; c < 16; ++c) {
      EXPECT_EQ(values.at("out")[row * 16 + c], 0);
      EXPECT_EQ(values.at("grad qkv")[row * 48 + c], 0);
    }
}

// Rows that only fill a batch up change no bit of the others.
TEST(AttentionLayouts, RowsThatFillUpChangeNothing) {
  for (const std::int64_t window : {-1, 6})
    for (const bool causal : {false, true}) {
      const AttentionSpec plain{.label = "plain",
                                .lengths = {40, 3},
                                .heads = 2,
                                .head_size = 16,
                                .causal = causal,
                                .window = window,
                                .p = 0.2f};
      AttentionSpec filled = plain;
      filled.lengths = {40, 3, 21}, filled.key_lengths = {40, 3, 0};
      const OpCase plain_op = attention_case(plain), filled_op = attention_case(filled);
      Values inputs = random_inputs(filled_op);
      Values plain_inputs = inputs;
      for (auto& [name, values] : plain_inputs) values.resize(values.size() / 64 * 43);
      const Values a = run(filled_op, cpu_backend(), inputs, {.dtype = DType::kFloat32});
      const Values b = run(plain_op, cpu_backend(), plain_inputs, {.dtype = DType::kFloat32});
      for (const char* name : {"out", "grad qkv"}) {
        const std::vector<double>&all = a.at(name), &real = b.at(name);
        EXPECT_TRUE(std::equal(real.begin(), real.end(), all.begin())) << name;
        EXPECT_TRUE(std::all_of(all.begin() + static_cast<std::ptrdiff_t>(real.size()), all.end(), [](double x) {
          return x == 0;
        })) << name;
      }
    }
}

TEST(AttentionLayouts, LargeScoresDoNotOverflow) {
  const OpCase op = attention_case({.label = "large", .lengths = {40}, .head_size = 32, .causal = true});
  Values inputs = random_inputs(op);
  for (double& x : inputs["qkv"]) x *= 100;
  run(op, cpu_backend(), inputs, {.dtype = DType::kFloat32});  // fails where a NaN is left
}

}  // namespace
}  // namespace attune::testing
