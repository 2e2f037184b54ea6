// What follows the last attention of GPT-2 is computed for the rows that the head reads: the same logits and gradients
// as for all rows.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "engine/autograd/functions.h"
#include "engine/nn/init.h"
#include "models/gpt2/gpt2.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

using Doubles = std::vector<double>;

struct Found {
  Doubles logits;
  std::map<std::string, Doubles> gradients;
};

Doubles doubles(const Tensor& x) {
  return {x.values<double>().begin(), x.values<double>().end()};
}

// Of the model's own forward pass, or of its head on the chosen rows of all hidden states.
Found run(const Gpt2Classifier& model, const TokenBatch& batch, PooledRows rows, bool own) {
  std::map<std::string, Parameter> parameters;
  for (const auto& [name, parameter] : parameters_of(model)) parameters[name] = parameter;
  const ForwardPass pass{.training = true, .seed = 5, .step = 2};
  Tape tape;
  Variable logits, loss;
  {
    const Tape::Recording recording(tape);
    logits = own ? model.forward(batch, pass)
                 : linear(pool(model.hidden_states(batch, pass), batch.pooled(rows)), parameters.at("head.weight"),
                          parameters.at("head.bias"));
    loss = cross_entropy(logits, Tensor::from(std::vector<std::int32_t>{1, 0, 1}, {3}));
  }
  Found out{.logits = doubles(logits.value()), .gradients = {}};
  tape.backward(loss);
  for (const auto& [name, parameter] : parameters) {
    out.gradients[name] = doubles(parameter.grad().tensor());
    parameter.grad().clear();
  }
  return out;
}

TEST(LastRows, GiveTheLogitsAndGradientsOfAllRows) {
  const std::vector<std::int32_t> ids = {1, 2, 3, 4, 5, 6, 7, 30, 30, 8, 30, 30}, lengths = {4, 3, 1};
  const TokenBatch batch = padded_batch(ids, lengths, false);
  for (const auto& [position, rows] : {std::pair(HeadPosition::kFirst, PooledRows::kFirst),
                                       {HeadPosition::kLast, PooledRows::kLast},
                                       {HeadPosition::kFlexible, PooledRows::kLastReal},
                                       {HeadPosition::kMean, PooledRows::kAll}}) {
    Gpt2Config config{.vocab_size = 31, .n_positions = 12, .n_embd = 16, .n_layer = 2, .n_head = 2, .n_inner = 32};
    config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = 0.2F;
    Gpt2Classifier model(config, {.position = position, .dtype = DType::kFloat64});
    TorchGenerator generator(3);
    model.add_low_rank({.rank = 2, .dropout = 0.3F, .layers = {"qkv", "projection", "fc", "fc_out"}}, generator);
    for (const ParameterRow& row : model.table().rows())
      if (row.role == Role::kLowRank) init::normal(generator, row.parameter.value(), 0.2F);
    model.initialize(generator, Initializer::kGpt2);
    model.initialize_head(generator);
    const Found own = run(model, batch, rows, true), all = run(model, batch, rows, false);
    EXPECT_EQ(own.logits, all.logits) << name_of(position);
    for (const auto& [name, expected] : all.gradients) {
      const Doubles& found = own.gradients.at(name);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], expected[i], 1e-14) << name << " " << i << ", head at " << name_of(position);
    }
  }
}

}  // namespace
}  // namespace attune::testing
