// Batches of every family: the lengths, ids, positions and token types that a model accepts, and rows of padding, which change nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/autograd/functions.h"
#include "tests/models/small_models.h"
#include "tests/support/message_of.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

TEST(Batch, TooLongASequenceIsRefused) {
  const std::vector<std::int32_t> ids(21, 5), lengths = {21}, whole(20, 5), all = {20};
  for (const auto& [family, config] : small_configs()) {
    const auto model = random_model(family);
    EXPECT_EQ(model->max_length(), 20) << family;
    const std::string message = message_of([&] { (void)model->forward(packed_batch(ids, lengths), {}); });
    EXPECT_NE(message.find("a sequence of 21 tokens"), std::string::npos) << family << ": " << message;
    EXPECT_EQ(model->forward(packed_batch(whole, all), {}).shape().str(), "[1, 2]") << family;
  }
}

TEST(Batch, AnIdBeyondTheVocabularyIsRefused) {
  const std::vector<std::int32_t> ids = {5, 31}, lengths = {2};
  for (const auto& [family, config] : small_configs()) {
    const auto model = random_model(family);
    const std::string message = message_of([&] { (void)model->forward(packed_batch(ids, lengths), {}); });
    EXPECT_NE(message.find("31"), std::string::npos) << family << ": " << message;
  }
}

// RoBERTa counts the tokens that are not padding: a padding id among them takes the row of padding, which gets no gradient.
TEST(Batch, RobertaPositionsCountRealTokens) {
  const auto model = random_model("roberta", {.dropout = 0.0F});
  const std::vector<std::int32_t> ids = {4, 1, 4, 1, 5}, lengths = {2, 3};  // positions 2 1 | 2 1 3
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    loss = cross_entropy(model->forward(packed_batch(ids, lengths), {}),
                         Tensor::from(std::vector<std::int32_t>{0, 1}, {2}));
  }
  tape.backward(loss);
  for (const auto& [name, parameter] : parameters_of(*model)) {
    if (name != "positions.weight") continue;
    const Tensor gradient = parameter.grad().tensor();
    for (std::int64_t row = 0; row < gradient.shape()[0]; ++row) {
      const Tensor values = gradient.rows(row, row + 1);
      const bool touched = std::ranges::any_of(values.values<float>(), [](float v) { return v != 0; });
      EXPECT_EQ(touched, row == 2 || row == 3) << "row " << row;
    }
  }
}

// A batch may end with a sequence of padding that only fills up its rows: neither logits nor gradients know of it.
TEST(Batch, RowsThatFillUpABatchChangeNothing) {
  const std::vector<std::int32_t> ids = {5, 6, 7, 8, 9, 10, 11, 12, 13}, lengths = {4, 5}, labels = {1, 0};
  for (const auto& [family, config] : small_configs()) {
    const auto model = random_model(family, {.dtype = DType::kFloat64, .dropout = 0.2F});
    const TokenBatch plain = packed_batch(ids, lengths);
    std::vector<std::int32_t> filled_ids = ids;
    filled_ids.resize(16, model->pad_id());
    TokenBatch filled = packed_batch(filled_ids, std::vector<std::int32_t>{4, 5, 7});
    filled.sequences.positions =
        Tensor::from(std::vector<std::int32_t>{0, 1, 2, 3, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0}, {16});
    filled.sequences.key_lengths = Tensor::from(std::vector<std::int32_t>{4, 5, 0}, {3});
    filled.lengths = plain.lengths;
    std::map<std::string, std::vector<double>> gradients[2];
    std::vector<double> logits[2];
    for (const int i : {0, 1}) {
      Tape tape;
      Variable loss;
      {
        const Tape::Recording recording(tape);
        const Variable y = model->forward(i == 0 ? plain : filled, {.training = true, .seed = 3, .step = 9});
        logits[i].assign(y.value().values<double>().begin(), y.value().values<double>().end());
        loss = cross_entropy(y, Tensor::from(labels, {2}));
      }
      tape.backward(loss);
      for (const auto& [name, parameter] : parameters_of(*model)) {
        const Tensor gradient = parameter.grad().tensor();
        if (!gradient.defined()) continue;
        gradients[i][name].assign(gradient.values<double>().begin(), gradient.values<double>().end());
        parameter.grad().clear();
      }
    }
    ASSERT_EQ(logits[0].size(), logits[1].size()) << family;
    for (std::size_t k = 0; k < logits[0].size(); ++k) EXPECT_NEAR(logits[1][k], logits[0][k], 1e-14) << family;
    ASSERT_EQ(gradients[0].size(), gradients[1].size()) << family;
    for (const auto& [name, values] : gradients[0])
      for (std::size_t k = 0; k < values.size(); ++k)
        ASSERT_NEAR(gradients[1].at(name)[k], values[k], 1e-14) << family << " " << name;
  }
}

TEST(Batch, TokenTypesDefaultToTheFirst) {
  const auto model = random_model("bert");
  const std::vector<std::int32_t> ids = {5, 6, 7}, lengths = {3};
  TokenBatch batch = packed_batch(ids, lengths);
  const auto logits = [&] { return model->forward(batch, {}).value().clone(); };
  const Tensor without = logits();
  batch.type_ids = Tensor::from(std::vector<std::int32_t>{0, 0, 0}, {3});
  EXPECT_TRUE(std::ranges::equal(logits().values<float>(), without.values<float>()));
  batch.type_ids = Tensor::from(std::vector<std::int32_t>{0, 1, 1}, {3});
  EXPECT_FALSE(std::ranges::equal(logits().values<float>(), without.values<float>()));
}

}  // namespace
}  // namespace attune::testing
