// The encoder families against the reference library: logits, loss, gradients and hidden states with and without the
// padding mask; training runs, whole and with frozen layers; and packed sequences against padded ones, dropout
// included.
#include <cmath>
#include <map>
#include <optional>
#include <tuple>

#include "engine/autograd/functions.h"
#include "models/model_folder.h"
#include "models/registry.h"
#include "tests/golden/golden_case.h"
#include "tests/support/data.h"
#include "tests/support/token_batches.h"

namespace attune::testing {
namespace {

enum class Layout { kMasked, kUnmasked, kPacked };

TokenBatch batch_of(const GoldenCase::Inputs& inputs, Layout layout) {
  if (layout != Layout::kPacked) return padded_batch(inputs.ids, inputs.lengths, layout == Layout::kMasked);
  std::vector<std::int32_t> real;
  for (std::int64_t b = 0; b < inputs.count; ++b) {
    const auto row = inputs.ids.begin() + b * inputs.length;
    real.insert(real.end(), row, row + inputs.lengths[static_cast<std::size_t>(b)]);
  }
  return packed_batch(real, inputs.lengths);
}

GoldenModel load(const GoldenCase& golden, Layout layout, const Variant& variant, ModelOptions options = {}) {
  options.dtype = loading_dtype(variant);
  TorchGenerator generator(1);
  OpenedClassifier opened =
      open_classifier(golden.folder.string(), read_model_config(golden.folder.string()), options, generator);
  EXPECT_EQ(opened.report.missing, std::vector<std::string>{});
  EXPECT_EQ(opened.report.unused, std::vector<std::string>{});
  GoldenModel out{.model = std::move(opened.model),
                  .batch = [layout](const GoldenCase::Inputs& inputs) { return batch_of(inputs, layout); },
                  .golden_name = [](const std::string& name) { return name; },
                  .variant = variant};
  place_golden(out);
  return out;
}

// What the ReLU of DistilBERT's head reads, [B, C].
Tensor kink_inputs(const GoldenModel& subject, const GoldenCase::Inputs& inputs) {
  const TokenBatch batch = subject.batch_of(inputs);
  std::map<std::string, Parameter> by_name;
  for (const auto& [name, parameter] : parameters_of(*subject.model)) by_name[name] = parameter;
  const Variable first = pool(subject.model->hidden_states(batch, {}), batch.pooled(PooledRows::kFirst));
  return linear(first, by_name.at("dense.weight"), by_name.at("dense.bias"))
      .value()
      .to(Device::kCpu)
      .cast(DType::kFloat64);
}

// DistilBERT's head has a kink. A unit whose input lies within rounding of 0 opens in one arithmetic and stays shut in
// another, and its gradient jumps; both sides are right. Where `subject` stands on the other side, the result is a
// float64 model that stands there too: its bias is moved across 0, by less than logits may differ.
std::optional<GoldenModel> on_same_side(const GoldenCase& golden, Layout layout, const GoldenModel& subject) {
  GoldenModel exact = load(golden, layout, {DType::kFloat64});
  const GoldenCase::Inputs inputs = golden.inputs(0);
  const Tensor found = kink_inputs(subject, inputs), truth = kink_inputs(exact, inputs);
  const auto units = static_cast<std::size_t>(truth.shape()[1]);
  bool moved = false;
  for (const auto& [name, parameter] : parameters_of(*exact.model)) {
    if (name != "dense.bias") continue;
    for (std::size_t i = 0; i < truth.values<double>().size(); ++i) {
      const double z = truth.values<double>()[i];
      if ((z > 0) == (found.values<double>()[i] > 0)) continue;
      if (std::abs(z) > golden.tolerance(subject.variant.dtype).logits) continue;  // an error, for the test to see
      parameter.value().values<double>()[i % units] -= 1.001 * z;
      moved = true;
    }
  }
  return moved ? std::optional(std::move(exact)) : std::nullopt;
}

class EncoderGolden : public ::testing::TestWithParam<std::tuple<const char*, Variant>> {
 protected:
  const char* family() const { return std::get<0>(GetParam()); }
  Variant variant() const { return std::get<1>(GetParam()); }
};

void expect_outputs_of_every_layout(const std::string& family, const std::vector<std::filesystem::path>& cases,
                                    const Variant& variant) {
  ASSERT_FALSE(cases.empty()) << "no cases of " << family;
  for (const auto& folder : cases) {
    const GoldenCase golden(folder);
    for (const auto& [layout, prefix] :
         {std::pair(Layout::kMasked, ""), {Layout::kPacked, ""}, {Layout::kUnmasked, "unmasked."}}) {
      const GoldenModel subject = load(golden, layout, variant);
      std::optional<GoldenModel> other_side;
      if (family == "distilbert") other_side = on_same_side(golden, layout, subject);
      expect_outputs(golden, subject, prefix, other_side ? &*other_side : nullptr);
    }
  }
}

TEST_P(EncoderGolden, OutputsOfEveryVariant) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_outputs_of_every_layout(family(), smallest_case(family()), variant());
}

TEST_P(EncoderGolden, OutputsOfEveryVariantInLargerCases) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_outputs_of_every_layout(family(), larger_cases(family()), variant());
}

void expect_hidden_states(const std::vector<std::filesystem::path>& cases, const Variant& variant) {
  if (variant.dtype == DType::kBFloat16) GTEST_SKIP() << "the reference has no yardstick for them in bfloat16";
  for (const auto& folder : cases) {
    SCOPED_TRACE(folder.string());
    const GoldenCase golden(folder);
    const GoldenCase::Inputs inputs = golden.inputs(0);
    const Tensor expected = golden.outputs.read("last_hidden_state", DType::kFloat64);
    const auto channels = static_cast<std::size_t>(expected.shape()[-1]);
    for (const Layout layout : {Layout::kMasked, Layout::kPacked}) {
      const GoldenModel subject = load(golden, layout, variant);
      const Tensor found =
          subject.model->hidden_states(subject.batch_of(inputs), {}).value().to(Device::kCpu).cast(DType::kFloat64);
      std::size_t packed_row = 0;
      for (std::size_t b = 0; b < inputs.lengths.size(); ++b)
        for (std::size_t t = 0; t < static_cast<std::size_t>(inputs.lengths[b]); ++t, ++packed_row) {
          const std::size_t padded_row = b * static_cast<std::size_t>(inputs.length) + t;
          const std::size_t row = layout == Layout::kPacked ? packed_row : padded_row;
          for (std::size_t c = 0; c < channels; ++c)
            ASSERT_NEAR(found.values<double>()[row * channels + c],
                        expected.values<double>()[padded_row * channels + c],
                        golden.tolerance(subject.variant.dtype).logits)
                << "sequence " << b << " token " << t << " channel " << c;
        }
    }
  }
}

TEST_P(EncoderGolden, HiddenStatesOfRealTokens) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_hidden_states(smallest_case(family()), variant());
}

TEST_P(EncoderGolden, HiddenStatesOfRealTokensInLargerCases) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_hidden_states(larger_cases(family()), variant());
}

void expect_training_runs(const std::vector<std::filesystem::path>& cases, const Variant& variant,
                          const std::vector<std::string>& runs) {
  if (variant.dtype == DType::kBFloat16) GTEST_SKIP() << "the reference has no bfloat16 training runs";
  for (const auto& folder : cases) {
    const GoldenCase golden(folder);
    if (!golden.report.contains("training")) continue;
    for (const std::string& run : runs)
      if (golden.report["training"].contains(run)) expect_training(golden, load(golden, Layout::kMasked, variant), run);
  }
}

TEST_P(EncoderGolden, TrainingRuns) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_training_runs(smallest_case(family()), variant(), {"all"});
}

TEST_P(EncoderGolden, TrainingRunsWithFrozenLayers) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_training_runs(smallest_case(family()), variant(), {"last_layer", "last_block"});
}

TEST_P(EncoderGolden, TrainingRunsInLargerCases) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_training_runs(larger_cases(family()), variant(), {"all", "last_layer", "last_block"});
}

// The gradients of one batch with dropout, all in one row, by canonical name.
std::vector<double> gradients_with_dropout(const GoldenCase& golden, Layout layout, const Variant& variant) {
  const GoldenModel subject = load(golden, layout, variant, {.dropout = 0.25F});
  const GoldenCase::Inputs inputs = golden.inputs(0);
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    const Variable logits = subject.model->forward(subject.batch_of(inputs), {.training = true, .seed = 7, .step = 3});
    loss = cross_entropy(logits, Tensor::from(inputs.labels, {inputs.count}).to(variant.device));
  }
  std::vector<double> out{loss.value().to(Device::kCpu).item()};
  tape.backward(loss);
  for_each_hf_tensor(
      *subject.model,
      [](const Parameter& p) {
        const Tensor& gradient = p.grad().tensor();
        return gradient.defined() ? gradient.to(Device::kCpu).cast(DType::kFloat64) : gradient;
      },
      [&](const std::string&, const Tensor& wide) {
        out.insert(out.end(), wide.values<double>().begin(), wide.values<double>().end());
      });
  return out;
}

void expect_packed_drops_as_padded(const std::vector<std::filesystem::path>& cases, const Variant& variant) {
  for (const auto& folder : cases) {
    SCOPED_TRACE(folder.string());
    const GoldenCase golden(folder);
    const std::vector<double> padded = gradients_with_dropout(golden, Layout::kMasked, variant);
    const std::vector<double> packed = gradients_with_dropout(golden, Layout::kPacked, variant);
    ASSERT_EQ(padded.size(), packed.size());
    EXPECT_GT(std::abs(padded[0] - golden.outputs.read("loss", DType::kFloat64).item()), 1e-4) << "dropout did nothing";
    // A bfloat16 sum of other partial sums may be the neighbouring number.
    const double relative = variant.dtype == DType::kBFloat16 ? 1.0 / 128 : 0;
    double worst = 0;
    for (std::size_t i = 0; i < padded.size(); ++i)
      worst = std::max(worst, std::abs(padded[i] - packed[i]) - relative * std::abs(padded[i]));
    EXPECT_LE(worst, variant.dtype == DType::kFloat64 ? 1e-12 : 1e-5);
  }
}

TEST_P(EncoderGolden, PackedDropsTheSameElementsAsPadded) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_packed_drops_as_padded(smallest_case(family()), variant());
}

TEST_P(EncoderGolden, PackedDropsTheSameElementsAsPaddedInLargerCases) {
  ATTUNE_DATA_OR_SKIP(data);
  expect_packed_drops_as_padded(larger_cases(family()), variant());
}

INSTANTIATE_TEST_SUITE_P(Families, EncoderGolden,
                         ::testing::Combine(::testing::Values("bert", "distilbert", "roberta", "modernbert"),
                                            ::testing::ValuesIn(golden_variants())),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param)) + "_" + std::get<1>(param.param).name();
                         });

}  // namespace
}  // namespace attune::testing
