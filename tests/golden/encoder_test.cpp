// The encoder families against the reference library: logits, loss, gradients and hidden states with and without the
// padding mask; training runs, whole and with frozen layers; and packed sequences against padded ones, dropout
// included.
#include <tuple>

#include "engine/autograd/functions.h"
#include "models/registry.h"
#include "tests/golden/golden_case.h"
#include "tests/support/data.h"

namespace attune::testing {
namespace {

enum class Layout { kMasked, kUnmasked, kPacked };

TokenBatch batch_of(const GoldenCase::Inputs& inputs, Layout layout) {
  if (layout != Layout::kPacked) return TokenBatch::padded(inputs.ids, inputs.lengths, layout == Layout::kMasked);
  std::vector<std::int32_t> real;
  for (std::int64_t b = 0; b < inputs.count; ++b) {
    const auto row = inputs.ids.begin() + b * inputs.length;
    real.insert(real.end(), row, row + inputs.lengths[static_cast<std::size_t>(b)]);
  }
  return TokenBatch::packed(real, inputs.lengths);
}

GoldenModel load(const GoldenCase& golden, Layout layout, const ModelOptions& options) {
  TorchGenerator generator(1);
  OpenedClassifier opened = open_classifier(golden.folder.string(), options, generator);
  EXPECT_EQ(opened.report.missing, std::vector<std::string>{});
  EXPECT_EQ(opened.report.unused, std::vector<std::string>{});
  const HfNaming naming = opened.model->hf_naming();
  return {.model = std::move(opened.model),
          .batch = [layout](const GoldenCase::Inputs& inputs) { return batch_of(inputs, layout); },
          .golden_name =
              [naming](const std::string& name) {
                const bool bare = std::ranges::find(naming.unprefixed, name) != naming.unprefixed.end();
                return bare ? name : naming.prefix + name;
              },
          .dtype = options.dtype};
}

class EncoderGolden : public ::testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  std::vector<std::filesystem::path> cases() const { return golden_cases(std::get<0>(GetParam())); }
  ModelOptions options() const { return {.dtype = std::get<1>(GetParam())}; }
};

TEST_P(EncoderGolden, OutputsOfEveryVariant) {
  ATTUNE_DATA_OR_SKIP(data);
  ASSERT_FALSE(cases().empty()) << "no cases under " << data;
  for (const auto& folder : cases()) {
    const GoldenCase golden(folder);
    expect_outputs(golden, load(golden, Layout::kMasked, options()), "");
    expect_outputs(golden, load(golden, Layout::kPacked, options()), "");
    expect_outputs(golden, load(golden, Layout::kUnmasked, options()), "unmasked.");
  }
}

TEST_P(EncoderGolden, HiddenStatesOfRealTokens) {
  ATTUNE_DATA_OR_SKIP(data);
  for (const auto& folder : cases()) {
    SCOPED_TRACE(folder.string());
    const GoldenCase golden(folder);
    const GoldenCase::Inputs inputs = golden.inputs(0);
    const Tensor expected = golden.outputs.read("last_hidden_state", DType::kFloat64);
    const auto channels = static_cast<std::size_t>(expected.shape()[-1]);
    for (const Layout layout : {Layout::kMasked, Layout::kPacked}) {
      const GoldenModel subject = load(golden, layout, options());
      const Tensor found = subject.model->hidden_states(subject.batch(inputs), {}).value().cast(DType::kFloat64);
      std::size_t packed_row = 0;
      for (std::size_t b = 0; b < inputs.lengths.size(); ++b)
        for (std::size_t t = 0; t < static_cast<std::size_t>(inputs.lengths[b]); ++t, ++packed_row) {
          const std::size_t padded_row = b * static_cast<std::size_t>(inputs.length) + t;
          const std::size_t row = layout == Layout::kPacked ? packed_row : padded_row;
          for (std::size_t c = 0; c < channels; ++c)
            ASSERT_NEAR(found.values<double>()[row * channels + c],
                        expected.values<double>()[padded_row * channels + c], golden_tolerance(subject.dtype).logits)
                << "sequence " << b << " token " << t << " channel " << c;
        }
    }
  }
}

TEST_P(EncoderGolden, TrainingRuns) {
  ATTUNE_DATA_OR_SKIP(data);
  for (const auto& folder : cases()) {
    const GoldenCase golden(folder);
    if (!golden.report.contains("training")) continue;
    for (const char* run : {"all", "last_layer", "last_block"})
      if (golden.report["training"].contains(run))
        expect_training(golden, load(golden, Layout::kMasked, options()), run);
  }
}

// The gradients of one batch with dropout, all in one row, by canonical name.
std::vector<double> gradients_with_dropout(const GoldenCase& golden, Layout layout, DType dtype) {
  const GoldenModel subject = load(golden, layout, {.dtype = dtype, .dropout = 0.25F});
  const GoldenCase::Inputs inputs = golden.inputs(0);
  Tape tape;
  Variable loss;
  {
    const Tape::Recording recording(tape);
    const Variable logits = subject.model->forward(subject.batch(inputs), {.training = true, .seed = 7, .step = 3});
    loss = cross_entropy(logits, Tensor::from(inputs.labels, {inputs.count}));
  }
  std::vector<double> out{loss.value().item()};
  tape.backward(loss);
  for_each_hf_tensor(
      *subject.model, [](const Parameter& p) { return p.grad().tensor(); },
      [&](const std::string&, const Tensor& gradient) {
        const Tensor wide = gradient.cast(DType::kFloat64);
        out.insert(out.end(), wide.values<double>().begin(), wide.values<double>().end());
      });
  return out;
}

TEST_P(EncoderGolden, PackedDropsTheSameElementsAsPadded) {
  ATTUNE_DATA_OR_SKIP(data);
  const DType dtype = std::get<1>(GetParam());
  for (const auto& folder : cases()) {
    SCOPED_TRACE(folder.string());
    const GoldenCase golden(folder);
    const std::vector<double> padded = gradients_with_dropout(golden, Layout::kMasked, dtype);
    const std::vector<double> packed = gradients_with_dropout(golden, Layout::kPacked, dtype);
    ASSERT_EQ(padded.size(), packed.size());
    EXPECT_GT(std::abs(padded[0] - golden.outputs.read("loss", DType::kFloat64).item()), 1e-4) << "dropout did nothing";
    double worst = 0;
    for (std::size_t i = 0; i < padded.size(); ++i) worst = std::max(worst, std::abs(padded[i] - packed[i]));
    EXPECT_LE(worst, dtype == DType::kFloat64 ? 1e-12 : 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, EncoderGolden,
                         ::testing::Combine(::testing::Values("bert", "distilbert", "roberta", "modernbert"),
                                            ::testing::Values(DType::kFloat64, DType::kFloat32)),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param)) + "_" + name_of(std::get<1>(param.param));
                         });

}  // namespace
}  // namespace attune::testing
