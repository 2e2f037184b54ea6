// Batches of tokens, padded and packed; tables of parameters.
#include <gtest/gtest.h>

#include "engine/nn/parameter_table.h"
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
  for (const TokenBatch* batch : {&padded, &packed}) {
    EXPECT_EQ(ints(batch->row_keys(PooledRows::kFirst)), (Ints{key(0, 0), key(1, 0)}));
    EXPECT_EQ(ints(batch->row_keys(PooledRows::kLastReal)), (Ints{key(0, 1), key(1, 0)}));
  }
  EXPECT_EQ(ints(padded.row_keys(PooledRows::kLast)), (Ints{key(0, 1), key(1, 1)}));
  EXPECT_EQ(ints(packed.row_keys(PooledRows::kLast)), (Ints{key(0, 1), key(1, 0)}));
  EXPECT_NE(message_of([&] { (void)packed.row_keys(PooledRows::kAll); }).find("no row key"), std::string::npos);
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

// A model of two blocks: a table, a fused linear layer and a norm in each, and a head.
ParameterTable small_table() {
  ParameterTable table(2, DType::kFloat32, 0);
  table.embedding({.hf_name = "m."}, {"tokens", "wte"}, 5, 2);
  for (std::int64_t i = 0; i < 2; ++i) {
    Section at = Section::block(i, "m.h.");
    at.transposed = true;
    table.linear(at, {"qkv", {"q", "k", "v"}}, 2, 6);
    at.bias = false;
    table.norm(at, {"norm", "ln"}, 2, 1e-5);
  }
  table.linear({.layer = 2, .head = true, .optional = true, .trained_from = TrainableLayers::kLastLayer},
               {"head", "score"}, 2, 3);
  return table;
}

std::vector<std::string> names_of(const std::vector<NamedParameter>& parameters) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : parameters) names.push_back(name);
  return names;
}

TEST(ParameterTables, ParametersInOrderUnderDottedNames) {
  const ParameterTable table = small_table();
  EXPECT_EQ(names_of(parameters_of(table)),
            (std::vector<std::string>{"tokens.weight", "blocks.0.qkv.weight", "blocks.0.qkv.bias",
                                      "blocks.0.norm.weight", "blocks.1.qkv.weight", "blocks.1.qkv.bias",
                                      "blocks.1.norm.weight", "head.weight", "head.bias"}));
  EXPECT_EQ(parameter_count(table), 10 + 2 * (12 + 6 + 2) + 9);
}

TEST(ParameterTables, RowsAreTheTensorsOfTheFile) {
  const ParameterTable table = small_table();
  std::vector<std::string> names;
  for (const ParameterRow& row : table.rows()) names.push_back(row.hf_name);
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "m.wte.weight", "m.h.0.q.weight", "m.h.0.q.bias", "m.h.0.k.weight", "m.h.0.k.bias", "m.h.0.v.weight",
                "m.h.0.v.bias", "m.h.0.ln.weight", "m.h.1.q.weight", "m.h.1.q.bias", "m.h.1.k.weight", "m.h.1.k.bias",
                "m.h.1.v.weight", "m.h.1.v.bias", "m.h.1.ln.weight", "score.weight", "score.bias"}));
  const ParameterRow& key = table.rows()[3];
  EXPECT_EQ(key.part_of(key.parameter.value()).shape().str(), "[2, 2]");
  EXPECT_EQ(key.row_begin, 2);
  EXPECT_TRUE(key.transposed);
  EXPECT_FALSE(table.rows()[4].transposed);
  EXPECT_EQ(table.rows()[4].role, Role::kBias);
  EXPECT_EQ(table.rows()[0].layer, -1);
  EXPECT_EQ(table.rows()[8].layer, 1);
  EXPECT_TRUE(table.rows().back().head && table.rows().back().optional);
  for (const float one : table.rows()[7].parameter.value().values<float>()) EXPECT_EQ(one, 1);
}

TEST(ParameterTables, BlocksAreTrainedFromTheEnd) {
  const ParameterTable table = small_table();
  for (const ParameterRow& row : table.rows())
    EXPECT_EQ(row.trained_from, row.layer == 2   ? TrainableLayers::kLastLayer
                                : row.layer == 1 ? TrainableLayers::kLastBlock
                                : row.layer == 0 ? TrainableLayers::kLastTwoBlocks
                                                 : TrainableLayers::kAll)
        << row.name;
}

TEST(ParameterTables, OnlyLinearLayersOfBlocksMayBeRounded) {
  const ParameterTable table = small_table();
  place(table, Device::kCpu, DType::kBFloat16);
  for (const ParameterRow& row : table.rows()) {
    const bool rounded = row.parameter.value().dtype() == DType::kBFloat16;
    EXPECT_EQ(rounded, row.name.find("qkv") != std::string::npos) << row.name;
    EXPECT_EQ(row.parameter.master().defined(), rounded) << row.name;
    EXPECT_EQ(row.parameter.exact().dtype(), DType::kFloat32) << row.name;
  }
}

TEST(Modules, ExactlyTheChosenParametersAreTrainable) {
  const ParameterTable table = small_table();
  EXPECT_EQ(parameters_of(table, true).size(), 9u);
  set_trainable(table, [](const std::string& name) { return name.starts_with("head."); });
  EXPECT_EQ(names_of(parameters_of(table, true)), (std::vector<std::string>{"head.weight", "head.bias"}));
  EXPECT_EQ(parameter_count(table, true), 9);
  set_trainable(table, [](const std::string& name) { return name == "blocks.0.norm.weight"; });
  EXPECT_EQ(names_of(parameters_of(table, true)), (std::vector<std::string>{"blocks.0.norm.weight"}));
  EXPECT_EQ(parameters_of(table).size(), 9u);
}

TEST(Modules, AValueOfAnotherShapeIsRefused) {
  const Linear layer = ParameterTable(0, DType::kFloat32, 8).linear({}, {"only", "only"}, 3, 2);
  const std::string message = message_of([&] { layer.weight.set_value(Tensor::zeros({3, 2}, DType::kFloat32)); });
  EXPECT_NE(message.find("[2, 3]"), std::string::npos) << message;
  EXPECT_NE(message.find("[3, 2]"), std::string::npos) << message;
}

}  // namespace
}  // namespace attune::testing
