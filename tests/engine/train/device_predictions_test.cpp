// What a run on the CUDA device, a GPU or the simulator, says of itself: the memory that it will need, which two small
// batches tell before it begins, and its speed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "engine/tensor/context.h"
#include "kernels/cuda/memory.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

class DevicePredictions : public OnDevice {};

// What a run's tensors need, over what was predicted of it.
double needed_of_predicted(const Gpt2Config& config, DType dtype, std::int32_t length, std::int64_t batch_size,
                           bool graphs, bool by_tokens_with_average = false) {
  const auto model = started_model(config, DType::kFloat32);
  place(*model, Device::kCuda, dtype);
  const auto count = static_cast<std::size_t>(batch_size);
  const Dataset examples =
      Dataset::from("equal", std::vector(count, std::vector<std::int32_t>(static_cast<std::size_t>(length), 3)),
                    Tensor::zeros({batch_size}, DType::kInt32));
  TrainOptions options;
  options.batch_size = batch_size;
  if (by_tokens_with_average)
    options.batch_size = 1, options.batch_tokens = batch_size * length, options.ema_decay = 0.9;
  options.eval_every = 0;
  options.epochs = 2;
  options.graphs = graphs;
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(), {examples, examples, {.packed = true}, Device::kCuda}, options);
  const std::size_t all = trainer.predict_peak_memory();
  const auto predicted = static_cast<double>(all) - static_cast<double>(cuda_memory().others);
  cuda::reset_arena_peak();
  Recorder recorder;
  trainer.run(recorder, [] { return false; });
  return static_cast<double>(cuda::arena_use().peak) / predicted;
}

// Large enough that it matters little how the arena rounds blocks up.
Gpt2Config config_of_much_memory() {
  Gpt2Config config = small_config();
  config.n_positions = 16, config.n_embd = 32, config.n_inner = 64;
  if (on_gpu()) config.n_positions = 64, config.n_embd = 128, config.n_inner = 512;
  return config;
}

void expect_peak_is_predicted(DType dtype, bool graphs, bool by_tokens_with_average = false) {
  const Gpt2Config config = config_of_much_memory();
  const auto length = static_cast<std::int32_t>(config.n_positions);
  const double activations = needed_of_predicted(config, dtype, length, 16, graphs, by_tokens_with_average);
  EXPECT_LE(activations, 1);
  EXPECT_GT(activations, on_gpu() ? 0.8 : 0.95);
}

// Few tokens under a large table: the gradients are most of the memory, and do not grow with the batch.
void expect_peak_of_a_large_table_is_predicted(DType dtype, bool graphs) {
  Gpt2Config wide = config_of_much_memory();
  wide.vocab_size = on_gpu() ? 6000 : 3000;
  const double table = needed_of_predicted(wide, dtype, static_cast<std::int32_t>(wide.n_positions) / 2, 24, graphs);
  EXPECT_LE(table, 1);
  EXPECT_GT(table, 0.8);
}

TEST_F(DevicePredictions, PeakMemoryIsPredicted) {
  expect_peak_is_predicted(DType::kBFloat16, true);
  expect_peak_of_a_large_table_is_predicted(DType::kFloat32, true);
}

TEST_F(DevicePredictions, PeakMemoryIsPredictedInEveryKindOfRun) {
  for (const bool graphs : {false, true})
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      expect_peak_is_predicted(dtype, graphs);
      expect_peak_of_a_large_table_is_predicted(dtype, graphs);
    }
  expect_peak_is_predicted(DType::kFloat32, true, true);
}

// Results that arrive together share the time they took.
TEST_F(DevicePredictions, SpeedIsOfTheTimeThatPassed) {
  const auto model = started_model(small_config(), DType::kFloat32);
  place(*model, Device::kCuda, DType::kFloat32);
  const Dataset examples = invented_examples(8, 4, 12, 5);
  TrainOptions options;
  options.batch_size = 2;
  options.eval_every = 0;
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(), {examples, examples, {.packed = true}, Device::kCuda}, options);
  Recorder recorder;
  const auto begin = std::chrono::steady_clock::now();
  trainer.run(recorder, [] { return false; });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const std::int64_t tokens = examples.ids.numel();
  ASSERT_EQ(recorder.steps.size(), 4u);
  double slowest = std::numeric_limits<double>::infinity(), fastest = 0;
  for (const auto& record : recorder.steps) {
    slowest = std::min(slowest, record.tokens_per_second);
    fastest = std::max(fastest, record.tokens_per_second);
  }
  EXPECT_GE(fastest, static_cast<double>(tokens) / seconds.count());
  EXPECT_LT(fastest, 1000 * slowest);  // a step whose result was there already would seem to take no time
}

}  // namespace
}  // namespace attune::testing
