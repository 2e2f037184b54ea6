// GPT-2 against the reference library: logits, loss and gradients at every head position, with and without the causal
// mask; training runs, whole and with frozen layers.
#include "models/gpt2/gpt2.h"

#include "tests/golden/golden_case.h"
#include "tests/support/data.h"

#include "models/weights.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

GoldenModel load(const GoldenCase& golden, HeadPosition position, bool causal, const Variant& variant) {
  const DType dtype = loading_dtype(variant);
  const SafetensorsFile head(golden.file("head.safetensors"));
  const Tensor weight = head.read("out_head.weight", dtype), bias = head.read("out_head.bias", dtype);
  auto model = std::make_unique<Gpt2Classifier>(
      Gpt2Config::read(json::read(golden.file("config.json"))),
      Gpt2Options{.num_labels = weight.shape()[0], .position = position, .causal = causal, .dtype = dtype});
  const LoadReport report = load_weights(*model, golden.folder.string(), json::read(golden.file("config.json")));
  EXPECT_EQ(report.missing, (std::vector<std::string>{"score.weight", "score.bias"}));
  EXPECT_EQ(report.unused, std::vector<std::string>{});
  for (const auto& [name, parameter] : parameters_of(*model)) {
    if (name == "head.weight") parameter.set_value(weight);
    if (name == "head.bias") parameter.set_value(bias);
  }
  const auto pad = static_cast<std::int32_t>(model->vocab_size() - 1);
  GoldenModel out{
      .model = std::move(model),
      .batch =
          [pad](const GoldenCase::Inputs& inputs) {
            std::vector<std::int32_t> real;  // tokens other than padding, whatever their place
            for (std::int64_t b = 0; b < inputs.count; ++b) {
              const auto row = inputs.ids.begin() + b * inputs.length;
              real.push_back(static_cast<std::int32_t>(inputs.length - std::count(row, row + inputs.length, pad)));
            }
            return padded_batch(inputs.ids, real, false);
          },
      .golden_name =
          [](const std::string& name) {
            const std::string backbone = "transformer.";
            return name.starts_with("score.") ? "out_head." + name.substr(6) : name.substr(backbone.size());
          },
      .variant = variant};
  place_golden(out);
  return out;
}

class Gpt2Golden : public ::testing::TestWithParam<Variant> {};

void expect_outputs_of_every_head(const std::vector<std::filesystem::path>& cases, const Variant& variant) {
  ASSERT_FALSE(cases.empty()) << "no cases of gpt2";
  for (const auto& folder : cases) {
    const GoldenCase golden(folder);
    expect_outputs(golden, load(golden, HeadPosition::kLast, true, variant), "");
    expect_outputs(golden, load(golden, HeadPosition::kFirst, true, variant), "first.");
    expect_outputs(golden, load(golden, HeadPosition::kMean, true, variant), "mean.");
    expect_outputs(golden, load(golden, HeadPosition::kFlexible, true, variant), "flexible.");
    expect_outputs(golden, load(golden, HeadPosition::kLast, false, variant), "full_attention.");
  }
}

TEST_P(Gpt2Golden, OutputsOfEveryVariant) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_outputs_of_every_head(smallest_case("gpt2"), GetParam());
}

TEST_P(Gpt2Golden, OutputsOfEveryVariantInLargerCases) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_outputs_of_every_head(larger_cases("gpt2"), GetParam());
}

void expect_training_runs(const std::vector<std::filesystem::path>& cases, const Variant& variant,
                          const std::vector<std::string>& runs) {
  if (variant.dtype == DType::kBFloat16) GTEST_SKIP() << "the reference has no bfloat16 training runs";
  for (const auto& folder : cases) {
    const GoldenCase golden(folder);
    for (const std::string& run : runs)
      if (golden.report["training"].contains(run))
        expect_training(golden, load(golden, HeadPosition::kLast, true, variant), run);
  }
}

TEST_P(Gpt2Golden, TrainingRuns) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_training_runs(smallest_case("gpt2"), GetParam(), {"all"});
}

TEST_P(Gpt2Golden, TrainingRunsWithFrozenLayers) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_training_runs(smallest_case("gpt2"), GetParam(), {"last_layer", "last_block", "last_two_blocks"});
}

TEST_P(Gpt2Golden, TrainingRunsInLargerCases) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_training_runs(larger_cases("gpt2"), GetParam(), {"all", "last_layer", "last_block", "last_two_blocks"});
}

INSTANTIATE_TEST_SUITE_P(Variants, Gpt2Golden, ::testing::ValuesIn(golden_variants()),
                         [](const auto& variant) { return variant.param.name(); });

}  // namespace
}  // namespace attune::testing
