// Batches of tokens, padded and packed; modules and their parameters.
#include <gtest/gtest.h>

#include "engine/nn/layers.h"
#include "engine/nn/token_batch.h"
#include "tests/support/message_of.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

using Ints = std::vector<std::int32_t>;

Ints ints(const Tensor& x) {
  return {x.values<std::int32_t>().begin(), x.values<std::int32_t>().end()};
}
std::int32_t key(std::int32_t example, std::int32_t position) {
  return example * 65536 + position;
}

TEST(TokenBatches, Padded) {
  const TokenBatch batch = padded_batch(Ints{1, 2, 3, 4, 5, 0, 6, 0, 0}, Ints{3, 2, 1}, true);
  EXPECT_EQ(batch.count(), 3);
  EXPECT_EQ(batch.sequences.rows, 9);
  EXPECT_EQ(batch.sequences.max_length, 3);
  EXPECT_EQ(ints(batch.lengths), (Ints{3, 2, 1}));
  EXPECT_EQ(ints(batch.sequences.offsets), (Ints{0, 3, 6, 9}));
  EXPECT_EQ(ints(batch.sequences.positions), (Ints{0, 1, 2, 0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(ints(batch.sequences.key_lengths), (Ints{3, 2, 1}));
}

TEST(TokenBatches, Packed) {
  const TokenBatch batch = packed_batch(Ints{1, 2, 3, 4, 5, 6}, Ints{3, 2, 1});
  EXPECT_EQ(batch.sequences.rows, 6);
  EXPECT_EQ(batch.count(), 3);
  EXPECT_EQ(ints(batch.lengths), (Ints{3, 2, 1}));
  EXPECT_EQ(ints(batch.sequences.offsets), (Ints{0, 3, 5, 6}));
  EXPECT_EQ(ints(batch.sequences.positions), (Ints{0, 1, 2, 0, 1, 0}));
  EXPECT_FALSE(batch.sequences.key_lengths.defined());
}

TEST(TokenBatches, RowKeysNameExampleAndPositionInEveryLayout) {
  const TokenBatch padded = padded_batch(Ints{1, 2, 3, 0}, Ints{2, 1}, true),
                   packed = packed_batch(Ints{1, 2, 3}, Ints{2, 1});
  EXPECT_EQ(ints(padded.sequences.row_keys), (Ints{key(0, 0), key(0, 1), key(1, 0), key(1, 1)}));
  EXPECT_EQ(ints(packed.sequences.row_keys), (Ints{key(0, 0), key(0, 1), key(1, 0)}));
  for (const TokenBatch* batch : {&padded, &packed})
    EXPECT_EQ(ints(batch->first_row_keys), (Ints{key(0, 0), key(1, 0)}));
}

// Values are the numbers of the rows: the pooled value names the row, or is the mean of the rows' numbers.
TEST(TokenBatches, PooledRows) {
  const TokenBatch padded = padded_batch(Ints(9), Ints{3, 2, 0}, true), packed = packed_batch(Ints(6), Ints{3, 2, 1});
  const auto pooled = [](const TokenBatch& batch, PooledRows rows) {
    std::vector<double> numbers;
    for (std::int64_t n = 0; n < batch.sequences.rows; ++n) numbers.push_back(static_cast<double>(n));
    const Tensor y = ops::pool_forward(Tensor::from(numbers, {batch.sequences.rows, 1}), batch.pooled(rows));
    return std::vector<double>(y.values<double>().begin(), y.values<double>().end());
  };
  using Doubles = std::vector<double>;
  EXPECT_EQ(pooled(padded, PooledRows::kFirst), (Doubles{0, 3, 6}));
  EXPECT_EQ(pooled(padded, PooledRows::kLast), (Doubles{2, 5, 8}));
  EXPECT_EQ(pooled(padded, PooledRows::kLastReal), (Doubles{2, 4, 8}));  // nothing real: the last row
  EXPECT_EQ(pooled(padded, PooledRows::kAll), (Doubles{1, 4, 7}));
  EXPECT_EQ(pooled(padded, PooledRows::kReal), (Doubles{1, 3.5, 0}));
  EXPECT_EQ(pooled(packed, PooledRows::kFirst), (Doubles{0, 3, 5}));
  for (PooledRows rows : {PooledRows::kLast, PooledRows::kLastReal})
    EXPECT_EQ(pooled(packed, rows), (Doubles{2, 4, 5}));
  for (PooledRows rows : {PooledRows::kAll, PooledRows::kReal}) EXPECT_EQ(pooled(packed, rows), (Doubles{1, 3.5, 5}));
}

TEST(ForwardPasses, DropoutActsInTrainingOnly) {
  const TokenBatch batch = packed_batch(Ints{1, 2}, Ints{2});
  EXPECT_EQ(ForwardPass{.training = false}.dropout(0.5f, 3, batch.sequences).p, 0);
  const DropoutSpec spec = ForwardPass{.training = true, .seed = 5, .step = 7}.dropout(0.5f, 3, batch.sequences);
  EXPECT_EQ(spec.p, 0.5f);
  EXPECT_EQ(spec.seed, 5u);
  EXPECT_EQ(spec.step, 7u);
  EXPECT_EQ(spec.site, 3u);
  DropoutSites sites;
  EXPECT_EQ(sites.take(), 0u);
  EXPECT_EQ(sites.take(12), 1u);
  EXPECT_EQ(sites.take(), 13u);
}

// Two layers, one without bias.
class Pair : public Module {
 public:
  void for_each_parameter(const Visitor& visit, const std::string& prefix = "") const override {
    linear.for_each_parameter(visit, prefix + "linear.");
    norm.for_each_parameter(visit, prefix + "norm.");
  }
  Linear linear{3, 2, true, DType::kFloat32};
  LayerNorm norm{2, 1e-5, false, DType::kFloat32};
};

std::vector<std::string> names_of(const std::vector<NamedParameter>& parameters) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : parameters) names.push_back(name);
  return names;
}

TEST(Modules, ParametersInOrderUnderDottedNames) {
  const Pair pair;
  EXPECT_EQ(names_of(parameters_of(pair)), (std::vector<std::string>{"linear.weight", "linear.bias", "norm.weight"}));
  EXPECT_EQ(parameter_count(pair), 2 * 3 + 2 + 2);
  for (const float one : pair.norm.weight.value().values<float>()) EXPECT_EQ(one, 1);
}

TEST(Modules, ExactlyTheChosenParametersAreTrainable) {
  const Pair pair;
  EXPECT_EQ(parameters_of(pair, true).size(), 3u);
  set_trainable(pair, [](const std::string& name) { return name.starts_with("linear."); });
  EXPECT_EQ(names_of(parameters_of(pair, true)), (std::vector<std::string>{"linear.weight", "linear.bias"}));
  EXPECT_EQ(parameter_count(pair, true), 8);
  EXPECT_FALSE(pair.norm.weight.requires_grad());
  set_trainable(pair, [](const std::string& name) { return name == "norm.weight"; });
  EXPECT_EQ(names_of(parameters_of(pair, true)), (std::vector<std::string>{"norm.weight"}));
  EXPECT_EQ(parameters_of(pair).size(), 3u);
}

TEST(Modules, AValueOfAnotherShapeIsRefused) {
  const Linear layer(3, 2, true, DType::kFloat32);
  const std::string message = message_of([&] { layer.weight.set_value(Tensor::zeros({3, 2}, DType::kFloat32)); });
  EXPECT_NE(message.find("[2, 3]"), std::string::npos) << message;
  EXPECT_NE(message.find("[3, 2]"), std::string::npos) << message;
}

}  // namespace
}  // namespace attune::testing
