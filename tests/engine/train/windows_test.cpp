// Texts of several windows: the logits of a text are those of its windows, run alone and pooled; and a run learns from
// them, on the CPU and, where there is one, on the CUDA device.
#include "engine/train/windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/autograd/tape.h"
#include "kernels/cuda/device_info.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Ints = std::vector<std::int32_t>;

constexpr std::int64_t kContext = 6;

Gpt2Config windows_config() {
  return {.vocab_size = 12, .n_positions = kContext, .n_embd = 8, .n_layer = 1, .n_head = 2, .n_inner = 16};
}

// One example for each count: so many windows of random ids, of any length up to the context.
Dataset with_windows(const std::vector<std::int64_t>& counts, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Ints> windows;
  std::vector<std::int64_t> firsts{0};
  Ints labels;
  for (const std::int64_t count : counts) {
    for (std::int64_t w = 0; w < count; ++w) {
      Ints& ids = windows.emplace_back(1 + random() % kContext);
      for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % 11);
    }
    firsts.push_back(std::ssize(windows));
    labels.push_back(static_cast<std::int32_t>(random() % 2));
  }
  Dataset out = Dataset::from("windows", windows, Tensor::from(labels, {std::ssize(labels)}));
  out.windows = Tensor::from(firsts, {std::ssize(firsts)});
  out.check();
  return out;
}

// The windows as examples of their own.
Dataset apart(Dataset dataset) {
  dataset.windows = dataset.labels = {};
  return dataset;
}

BatchForm form_of(WindowPooling pooling, bool packed) {
  return {.max_length = kContext, .pad_id = 11, .packed = packed, .mask = true, .windows = {{2, pooling}}};
}

std::vector<Device> devices() {
  std::vector<Device> out = {Device::kCpu};
  if (cuda::available()) out.push_back(Device::kCuda);
  return out;
}

template <class T>
std::vector<T> values_of(const Tensor& x) {
  const Tensor host = x.to(Device::kCpu);
  return {host.values<T>().begin(), host.values<T>().end()};
}

TEST(Windows, AreSequencesOfABatch) {
  Dataset dataset = Dataset::from("windows", {{1, 2}, {3}, {4, 5}, {6}}, Tensor::from(Ints{0, 1, 2}, {3}));
  dataset.windows = Tensor::from(std::vector<std::int64_t>{0, 1, 3, 4}, {4});
  EXPECT_EQ(dataset.size(), 3);
  EXPECT_EQ(dataset.length(1), 3);
  EXPECT_EQ(dataset.longest(), 2);
  for (const Device device : devices())
    for (const bool packed : {false, true}) {
      const ExampleStore store(dataset, {.max_length = 2, .pad_id = 9, .packed = packed}, device);
      const LabelledBatch batch = store.batch(Ints{1, 0});
      EXPECT_EQ(values_of<std::int32_t>(batch.tokens.ids), packed ? (Ints{3, 4, 5, 1, 2}) : (Ints{3, 9, 4, 5, 1, 2}));
      EXPECT_EQ(values_of<std::int32_t>(batch.tokens.lengths), (Ints{1, 2, 2}));
      EXPECT_EQ(values_of<std::int32_t>(batch.tokens.text_offsets), (Ints{0, 2, 3}));
      EXPECT_EQ(values_of<std::int32_t>(batch.labels), (Ints{1, 0}));
      EXPECT_EQ(store.tokens_of(Ints{1, 0}), 5);
      EXPECT_EQ(store.rows_of_examples(), packed ? (Ints{2, 3, 1}) : (Ints{2, 4, 2}));
      EXPECT_NE(store.shape_of(Ints{1, 0}), store.shape_of(Ints{2, 0}));
    }
  EXPECT_FALSE(ExampleStore(apart(dataset), {}, Device::kCpu).batch(Ints{0}).tokens.text_offsets.defined());
}

TEST(Windows, MistakesAreNamed) {
  const auto expect = [](const std::vector<std::int64_t>& firsts, const std::string& what) {
    Dataset dataset = apart(with_windows({1, 1, 1}, 1));
    dataset.windows = Tensor::from(firsts, {std::ssize(firsts)});
    const std::string message = message_of([&] { dataset.check(); });
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  for (const std::vector<std::int64_t>& firsts : {std::vector<std::int64_t>{0, 2}, {1, 3}, {0, 2, 2, 3}, {0, 2, 1, 3}})
    expect(firsts, "windows: the windows of the examples do not rise from 0 to their number, 3");
  expect({}, "one more than there are examples");
}

TEST(Windows, TheMostOfABatch) {
  const Dataset dataset = with_windows({1, 4, 2, 3}, 1);
  EXPECT_EQ(max_windows(dataset, 1), 4);
  EXPECT_EQ(max_windows(dataset, 3), 9);
  EXPECT_EQ(max_windows(dataset, 100), 10);
  EXPECT_EQ(max_windows(apart(dataset), 100), 100);
}

// Logits of examples in one batch.
std::vector<std::vector<float>> logits_of(const LogitsFn& model, const ExampleStore& store, const Ints& examples) {
  const NoGrad no_grad;
  const std::vector<float> rows = values_of<float>(model(store.batch(examples).tokens, {}).value());
  EXPECT_EQ(rows.size(), 2 * examples.size());
  std::vector<std::vector<float>> out;
  for (std::size_t i = 0; i < rows.size(); i += 2) out.push_back({rows[i], rows[i + 1]});
  return out;
}

std::vector<float> pooled_alone(const std::vector<std::vector<float>>& windows, WindowPooling pooling) {
  std::vector<float> out = windows[0];
  for (std::size_t c = 0; c < out.size(); ++c) {
    for (std::size_t w = 1; w < windows.size(); ++w)
      out[c] = pooling == WindowPooling::kMax ? std::max(out[c], windows[w][c]) : out[c] + windows[w][c];
    if (pooling == WindowPooling::kMean) out[c] /= static_cast<float>(windows.size());
  }
  return out;
}

// The bits of a text are those of its windows alone, whatever the batch. (A GPU's products may depend on their size.)
TEST(Windows, LogitsAreThoseOfTheWindowsAlone) {
  const Dataset dataset = with_windows({1, 3, 2, 1, 5}, 7);
  const auto model = started_model(windows_config(), DType::kFloat32);
  set_trainable(*model, [](const std::string&) { return false; });
  const LogitsFn forward = [&](const TokenBatch& batch, const ForwardPass& pass) {
    return model->forward(batch, pass);
  };
  for (const Device device : devices()) {
    place(*model, device, DType::kFloat32);
    const bool gpu = device == Device::kCuda && cuda::backend_name() == std::string("nvidia");
    for (const bool packed : {false, true})
      for (const WindowPooling pooling : {WindowPooling::kMean, WindowPooling::kMax}) {
        const BatchForm form = form_of(pooling, packed);
        const ExampleStore windows(apart(dataset), form, device), texts(dataset, form, device, 64);
        const LogitsFn pooled = logits_of_texts(forward, form);
        const Ints order = {4, 0, 2, 1, 3};
        const auto together = logits_of(pooled, texts, order);
        for (std::size_t i = 0; i < order.size(); ++i) {
          std::vector<std::vector<float>> alone;
          for (std::int64_t w = dataset.first_window(order[i]); w < dataset.first_window(order[i] + 1); ++w)
            alone.push_back(logits_of(forward, windows, {static_cast<std::int32_t>(w)})[0]);
          const std::vector<float> expected = pooled_alone(alone, pooling);
          for (std::size_t c = 0; c < 2; ++c) EXPECT_NEAR(together[i][c], expected[c], gpu ? 2e-5 : 0);
          EXPECT_TRUE(gpu || logits_of(pooled, texts, {order[i]})[0] == together[i]);
        }
      }
  }
}

// The gradient of the loss of texts with respect to all weights, along random directions, in float64.
TEST(Windows, GradientsAreThoseOfDifferences) {
  const Dataset dataset = with_windows({2, 1, 3}, 3);
  const auto model = started_model(windows_config(), DType::kFloat64);
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<std::vector<double>> direction;
  for (const auto& [name, parameter] : parameters_of(*model)) {
    std::vector<double>& d = direction.emplace_back();
    for (double& x : parameter.value().values<double>()) {
      x += 0.3 * normal(random);
      d.push_back(normal(random));
    }
  }
  for (const WindowPooling pooling : {WindowPooling::kMean, WindowPooling::kMax}) {
    const BatchForm form = form_of(pooling, true);
    const ExampleStore store(dataset, form, Device::kCpu);
    const LabelledBatch batch = store.batch(Ints{2, 0, 1});
    const LogitsFn logits = logits_of_texts(
        [&](const TokenBatch& tokens, const ForwardPass& pass) { return model->forward(tokens, pass); }, form);
    const auto loss = [&] { return two_classes().loss(logits(batch.tokens, {}), batch.labels); };
    Variable recorded;
    Tape tape;
    {
      const Tape::Recording recording(tape);
      recorded = loss();
    }
    tape.backward(recorded);
    double expected = 0;
    const auto parameters = parameters_of(*model);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const Tensor gradient = parameters[p].parameter.grad().tensor();
      for (std::size_t i = 0; i < direction[p].size(); ++i) expected += gradient.values<double>()[i] * direction[p][i];
      parameters[p].parameter.grad().clear();
    }
    const auto at = [&](double t) {
      const auto move = [&](double by) {
        for (std::size_t p = 0; p < parameters.size(); ++p)
          for (std::size_t i = 0; i < direction[p].size(); ++i)
            parameters[p].parameter.value().values<double>()[i] += by * direction[p][i];
      };
      const NoGrad no_grad;
      move(t);
      const double out = loss().value().item();
      move(-t);
      return out;
    };
    constexpr double h = 1e-5;
    EXPECT_NEAR((at(h) - at(-h)) / (2 * h), expected, 1e-7 * std::max(1.0, std::fabs(expected)));
    EXPECT_GT(std::fabs(expected), 1e-3);
  }
}

struct How {
  Device device = Device::kCpu;
  bool packed = true, graphs = true;
  WindowPooling pooling = WindowPooling::kMean;
};

struct WindowsRun {
  std::vector<double> losses, evaluations;
  std::vector<float> weights;
  std::int64_t graphs = 0;
};

WindowsRun run_of(const Dataset& examples, const How& how, bool windows = true) {
  Gpt2Config config = windows_config();
  config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = 0.1F;
  const auto model = started_model(config, DType::kFloat32);
  place(*model, how.device, DType::kFloat32);
  TrainOptions options;
  options.epochs = 2;
  options.batch_size = 3;
  options.eval_every = 3;
  options.eval_batches = 1;
  options.schedule = {.kind = LrSchedule::Kind::kLinear, .peak = 1e-2, .warmup_steps = 1};
  options.graphs = how.graphs;
  options.keep_best = "accuracy";
  BatchForm form = form_of(how.pooling, how.packed);
  if (!windows) form.windows.reset();
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(), {examples, examples, form, how.device}, options);
  Recorder recorder;
  EXPECT_TRUE(trainer.run(recorder, [] { return false; }));
  WindowsRun out{.losses = {}, .evaluations = {}, .weights = {}, .graphs = trainer.graphs()};
  for (const StepRecord& record : recorder.steps) out.losses.push_back(record.loss);
  for (const EvaluationRecord& record : recorder.evaluations)
    out.evaluations.insert(out.evaluations.end(), {record.train_loss, record.validation_loss, record.measure->value});
  out.evaluations.push_back(trainer.evaluate_all(examples, false, {}).loss);
  for (const auto& [name, parameter] : parameters_of(*model)) {
    const std::vector<float> values = values_of<float>(parameter.exact());
    out.weights.insert(out.weights.end(), values.begin(), values.end());
  }
  return out;
}

Dataset training_examples() {
  return with_windows({1, 3, 2, 1, 5, 1, 1, 2, 4, 1, 1, 3}, 9);
}

void expect_no_bit_changes(Device device, bool packed) {
  const Dataset examples = with_windows(std::vector<std::int64_t>(12, 1), 9);
  Dataset plain = examples;
  plain.windows = {};
  const How how{.device = device, .packed = packed, .pooling = packed ? WindowPooling::kMean : WindowPooling::kMax};
  const WindowsRun found = run_of(examples, how), expected = run_of(plain, how, false);
  EXPECT_EQ(found.losses, expected.losses);
  EXPECT_EQ(found.evaluations, expected.evaluations);
  EXPECT_EQ(found.weights, expected.weights);
}

TEST(Windows, OneOfEachTextChangesNoBit) {
  for (const bool packed : {false, true}) expect_no_bit_changes(Device::kCpu, packed);
  if (cuda::available()) expect_no_bit_changes(Device::kCuda, true);
}

void expect_the_cpus_run_and_graphs(bool packed) {
  const WindowPooling pooling = packed ? WindowPooling::kMax : WindowPooling::kMean;
  const How how{.device = Device::kCuda, .packed = packed, .pooling = pooling};
  const WindowsRun cpu = run_of(training_examples(), {.packed = packed, .pooling = pooling}),
                   device = run_of(training_examples(), how),
                   direct = run_of(training_examples(),
                                   {.device = Device::kCuda, .packed = packed, .graphs = false, .pooling = pooling});
  ASSERT_EQ(device.losses.size(), 8u);
  ASSERT_EQ(device.evaluations.size(), cpu.evaluations.size());
  for (std::size_t i = 0; i < device.losses.size(); ++i) EXPECT_NEAR(device.losses[i], cpu.losses[i], 1e-5);
  for (std::size_t i = 0; i < device.evaluations.size(); ++i)
    EXPECT_NEAR(device.evaluations[i], cpu.evaluations[i], 1e-5);
  EXPECT_GE(device.graphs, 1);
  EXPECT_EQ(direct.graphs, 0);
  EXPECT_EQ(device.losses, direct.losses);
  EXPECT_EQ(device.evaluations, direct.evaluations);
  EXPECT_EQ(device.weights, direct.weights);
}

TEST(Windows, ADevicesRunIsTheCpusAndReplaysGraphs) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  expect_the_cpus_run_and_graphs(true);
}

// Slow on the simulator.
TEST(Windows, OfPaddedBatchesOnADevice) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  expect_no_bit_changes(Device::kCuda, false);
  expect_the_cpus_run_and_graphs(false);
}

}  // namespace
}  // namespace attune::testing
