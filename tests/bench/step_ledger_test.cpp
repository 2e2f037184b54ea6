// The ledger of whole training steps: nodes of a layer, sampled against whole counts, operations, and the predicted time
// next to measured ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "bench/captured_step.h"
#include "engine/io/files.h"
#include "tests/support/data.h"

namespace attune {
namespace {

// Small models of the three kinds. Attention of each has more blocks than run as a whole.
const std::map<std::string, std::string> kConfigs = {
    {"gpt2",
     R"({"model_type": "gpt2", "vocab_size": 1000, "n_positions": 128, "n_embd": 64, "n_layer": 3, "n_head": 4,
                 "embd_pdrop": 0, "attn_pdrop": 0, "resid_pdrop": 0})"},
    {"bert", R"({"model_type": "bert", "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 3,
                 "num_attention_heads": 4, "intermediate_size": 256, "max_position_embeddings": 128})"},
    {"modernbert", R"({"model_type": "modernbert", "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 3,
                       "num_attention_heads": 4, "intermediate_size": 96, "max_position_embeddings": 128, "pad_token_id": 0,
                       "local_attention": 32, "classifier_pooling": "mean"})"}};

CapturedStep small_step(const std::string& model, const Ledger::Options& options = {}) {
  const testing::TempDir folder;
  write_file(folder / "config.json", kConfigs.at(model));
  CaseOptions step;
  step.folder = folder.path().string();
  step.batch_size = 9, step.length = 128;
  return capture_step(step, options);
}

// The same for all tests.
const CapturedStep& sampled_step(const std::string& model) {
  static auto* steps = new std::map<std::string, CapturedStep>;
  const auto found = steps->find(model);
  return found != steps->end() ? found->second : steps->emplace(model, small_step(model)).first->second;
}

std::map<int, int> nodes_by_layer(const CapturedStep& step) {
  std::map<int, int> out;
  for (int layer : step.layers) ++out[layer];
  return out;
}

// The largest relative difference of bytes or operations of any node; with `print`, those above 5 %.
double difference(const CapturedStep& some, const CapturedStep& whole, bool print = false) {
  double out = 0;
  for (std::size_t i = 0; i < whole.nodes.size(); ++i) {
    const auto differ = [&](double a, double b) {
      if (a == b) return;
      const double off = std::abs(a - b) / std::max(a, b);
      if (print && off > 0.05)
        std::printf("%s: %.0f of the sample, %.0f of all blocks\n", whole.nodes[i].kernel.c_str(), a, b);
      out = std::max(out, off);
    };
    differ(some.nodes[i].sectors_read, whole.nodes[i].sectors_read);
    differ(some.nodes[i].sectors_written, whole.nodes[i].sectors_written);
    differ(some.nodes[i].work.operations, whole.nodes[i].work.operations);
  }
  return out;
}

double predicted_ms(const CapturedStep& step, const char* gpu) {
  double out = 0;
  for (const NodeTime& time : predict(machine_of(gpu), step.work())) out += 1e3 * time.seconds();
  return out;
}

class SmallStep : public ::testing::TestWithParam<const char*> {};

TEST_P(SmallStep, SampledCountsAreThoseOfAllBlocks) {
  const CapturedStep &some = sampled_step(GetParam()), whole = small_step(GetParam(), {.whole = true});
  ASSERT_EQ(some.nodes.size(), whole.nodes.size());
  std::uint64_t sampled = 0, all = 0;
  for (std::size_t i = 0; i < whole.nodes.size(); ++i) {
    EXPECT_EQ(some.nodes[i].kernel, whole.nodes[i].kernel) << i;
    EXPECT_EQ(whole.nodes[i].sampled,
              whole.nodes[i].m > 0 || whole.nodes[i].kernel == "copy" ? 0 : whole.nodes[i].work.blocks);
    sampled += some.nodes[i].sampled, all += whole.nodes[i].sampled;
  }
  const double off = difference(some, whole, true);
  std::printf("%s: %llu of %llu blocks, counts of a node off by at most %.1f %%, the step's time by %.1f %%\n",
              GetParam(), static_cast<unsigned long long>(sampled), static_cast<unsigned long long>(all), 100 * off,
              100 * std::abs(predicted_ms(some, "h100") / predicted_ms(whole, "h100") - 1));
  EXPECT_LT(off, 0.1);  // five standard errors of Ledger::Options: the error is itself estimated
  EXPECT_NEAR(predicted_ms(some, "h100") / predicted_ms(whole, "h100"), 1, 0.01);

  const CapturedStep few = small_step(GetParam(), {.first_sample = 1, .error = 100});
  EXPECT_GT(difference(few, whole), off);  // what is sampled until the error is small is nearer
}

TEST(CapturedStep, MustHaveAnUpdate) {
  LedgerNode update{.kernel = "adamw", .grid = {}, .block = {}, .sectors_written = 32, .work = {}};
  check_update({update});
  update.sectors_written = 0;
  EXPECT_THROW(check_update({update}), Error);
}

TEST_P(SmallStep, LayersInTheMiddleAreEqual) {
  const CapturedStep& step = sampled_step(GetParam());
  const std::map<int, int> nodes = nodes_by_layer(step);
  const int layers = static_cast<int>(step.needs.layers);
  // Change these numbers only together with the step: a node costs a launch (docs/performance.md).
  const std::map<std::string, int> expected = {{"gpt2", 20}, {"bert", 20}, {"modernbert", 22}};
  for (int layer = 1; layer + 1 < layers; ++layer) EXPECT_EQ(nodes.at(layer), expected.at(GetParam())) << layer;
}

TEST_P(SmallStep, ProductsAreThoseOfTheFormula) {
  const CapturedStep& step = sampled_step(GetParam());
  const int layers = static_cast<int>(step.needs.layers);
  for (int layer = 0; layer + 1 < layers; ++layer) {  // the last one may compute rows of the head alone
    double operations = 0;
    for (std::size_t i = 0; i < step.nodes.size(); ++i)
      if (step.layers[i] == layer && step.nodes[i].m > 0) operations += step.nodes[i].work.operations;
    EXPECT_DOUBLE_EQ(operations, step.needs.model_flops / layers) << layer;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SmallStep, ::testing::Values("gpt2", "bert", "modernbert"));

// The steps of bench/results/nvidia-h100.md.
struct Measured {
  const char* model;
  double h100_ms;
};
// Of kernels that are more than their launch: lanes ask for the bytes that they move, and banks do not conflict.
void expect_few_wasted_accesses(const CapturedStep& step) {
  const std::vector<NodeTime> times = predict(machine_of("h100"), step.work());
  int looked_at = 0;
  for (std::size_t i = 0; i < step.nodes.size(); ++i) {
    const LedgerNode& node = step.nodes[i];
    if (node.requested == 0 || times[i].seconds() - times[i].launch < 1e-6) continue;
    ++looked_at;
    EXPECT_GE(node.requested, 0.9 * (node.sectors_read + node.sectors_written)) << node.kernel;
    EXPECT_LE(node.wavefronts, 1.05 * node.ideal_wavefronts) << node.kernel;
  }
  EXPECT_GT(looked_at, 50);
}

class PublishedStep : public ::testing::TestWithParam<Measured> {};

TEST_P(PublishedStep, PredictedTimeIsNearTheMeasuredOne) {
  CaseOptions options;
  options.model = GetParam().model;
  const CapturedStep step = capture_step(options, {});
  const double predicted = predicted_ms(step, "h100"), ratio = predicted / GetParam().h100_ms;
  std::printf("%s on an H100: predicted %.2f ms, measured %.2f, ratio %.2f, %zu nodes\n", GetParam().model, predicted,
              GetParam().h100_ms, ratio, step.nodes.size());
  // The model leaves out what it cannot see (bench/machine_model.h), so it should be too fast, but not by half.
  EXPECT_GT(ratio, 0.67);
  EXPECT_LT(ratio, 1.05);
  EXPECT_LT(1e3 * floor_seconds(step.needs, machine_of("h100")), predicted);
  expect_few_wasted_accesses(step);

  double bytes = 0;
  for (const NodeTime& time : predict(machine_of("h100"), step.work())) bytes += time.memory_bytes;
  EXPECT_LE(bytes, 1.35 * step.needs.bytes());
}

INSTANTIATE_TEST_SUITE_P(Models, PublishedStep,
                         ::testing::Values(Measured{"gpt2", 4.33}, Measured{"bert", 4.74}, Measured{"distilbert", 2.35},
                                           Measured{"roberta-large", 3.73}, Measured{"modernbert-base", 6.52},
                                           Measured{"modernbert-large", 14.35}),
                         [](const auto& row) {
                           std::string name = row.param.model;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace attune
