// Attention against its formula (oracles/attention.h), and rows without a key. Layouts that say the same: composition_test.cpp.
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
