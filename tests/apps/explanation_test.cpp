// Contributions of words: from tokens to words, and their sum, which is the difference that the embeddings make.
#include "apps/support/explanation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/autograd/tape.h"
#include "tests/models/small_models.h"
#include "tests/support/data.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

std::vector<std::string> words_of(const Explanation& explanation) {
  std::vector<std::string> out;
  for (const WordContribution& each : explanation) out.push_back(each.word);
  return out;
}

// The words of a text with a published tokenizer, each token contributing 1.
Explanation explained(const std::filesystem::path& tokenizer_folder, const std::string& text) {
  const auto tokenizer = load_tokenizer(tokenizer_folder.string());
  const std::vector<std::int32_t> ids = tokenizer->encode(text).ids;
  return by_word(*tokenizer, ids, std::vector<double>(ids.size(), 1.0));
}

TEST(Explanations, JoinTheTokensOfAWord) {
  ATTUNE_DATA_OR_SKIP(data);
  for (const char* name : {"bert-base-uncased", "gpt2", "roberta", "modernbert"}) {
    const Explanation explanation = explained(data / "tokenizers" / name, "an unbelievably gripping  film, watch it");
    const std::vector<std::string> expected = {"an", "unbelievably", "gripping", "film,", "watch", "it"};
    EXPECT_EQ(words_of(explanation), expected) << name;
    const double sum = std::accumulate(explanation.begin(), explanation.end(), 0.0,
                                       [](double all, const WordContribution& each) { return all + each.value; });
    EXPECT_GE(sum, 6) << name;  // tokens of the text alone
  }
}

double logits_difference(const Classifier& model, const TokenBatch& batch) {
  const Tensor logits = model.forward(batch, {}).value();
  return logits.values<double>()[0] - logits.values<double>()[1];
}

TEST(Explanations, AsTextAndJson) {
  const Explanation explanation = {{"good", 1}, {"so", 0.05}, {"bad", -0.3}};
  EXPECT_EQ(explanation_text(explanation, false), "good(+1) so(+0.05) bad(-0.3)");
  EXPECT_EQ(explanation_text(explanation, true), "\033[1;32mgood\033[0m so \033[31mbad\033[0m");
  EXPECT_EQ(explanation_json(explanation).dump(), R"([["good",1],["so",0.05],["bad",-0.3]])");
  EXPECT_EQ(explanation_text({}, true), "");
}

// The contributions of all tokens add up to what the embeddings change, from those of other tokens.
TEST(Explanations, AddUpToWhatTheEmbeddingsChange) {
  for (const char* family : {"bert", "distilbert", "roberta", "modernbert", "gpt2"}) {
    const auto model = random_model(family, {.dtype = DType::kFloat64});
    for (const ParameterRow& row : model->table().rows())  // far from linear
      if (row.role == Role::kLinear || row.role == Role::kEmbedding)
        for (double& value : row.parameter.value().values<double>()) value *= 3;
    const std::vector<std::int32_t> length = {5};
    const TokenBatch batch = packed_batch(std::vector<std::int32_t>{5, 6, 7, 8, 9}, length),
                     other = packed_batch(std::vector<std::int32_t>{5, 11, 12, 13, 14}, length);
    Variable embeddings;
    ForwardPass pass;
    pass.embeddings = &embeddings;
    model->forward(other, pass);
    pass.baseline = embeddings.value();
    const auto difference = [&](double share, Tensor* gradient) {
      pass.embeddings_share = share;
      Variable logits;
      Tape tape;
      {
        const Tape::Recording recording(tape);
        logits = model->forward(batch, pass);
      }
      tape.backward({logits}, {Tensor::from(std::vector<double>{1, -1}, {1, 2})});
      if (gradient != nullptr) *gradient = embeddings.grad().tensor();
      return logits.value().values<double>()[0] - logits.value().values<double>()[1];
    };
    constexpr int kSteps = 400;
    double sum = 0;
    for (int step = 0; step < kSteps; ++step) {
      const double share = (step + 0.5) / kSteps;
      Tensor gradient;
      difference(share, &gradient);
      const auto values = embeddings.value().values<double>(), from = pass.baseline.values<double>();
      for (std::size_t i = 0; i < values.size(); ++i)
        sum += gradient.values<double>()[i] * (values[i] - from[i]) / share / kSteps;
    }
    const double expected = difference(1, nullptr) - difference(0, nullptr);
    EXPECT_GT(std::abs(expected), 1e-3) << family;
    EXPECT_NEAR(sum, expected, 0.01 * std::abs(expected)) << family;
    const double plain = logits_difference(*model, other), base = difference(0, nullptr);
    EXPECT_NEAR(base, plain, 1e-12) << family;
  }
}

}  // namespace
}  // namespace attune::testing
