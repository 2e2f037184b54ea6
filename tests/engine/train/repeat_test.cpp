// Equal runs on the CPU give equal bits, with no flag and any number of threads. tests/engine/train/device_test.cpp has the same for the
// CUDA device.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/parallel.h"
#include "tests/engine/train/train_fixture.h"

namespace attune::testing {
namespace {

Gpt2Config dropping_config() {
  Gpt2Config config{.vocab_size = 300, .n_positions = 40, .n_embd = 32, .n_layer = 2, .n_head = 2, .n_inner = 64};
  config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = 0.1F;
  return config;
}

struct Bits {
  std::vector<double> losses, weights;
  bool operator==(const Bits&) const = default;
};

Bits trained(std::int64_t epochs, std::int64_t max_steps) {
  TrainOptions options;
  options.epochs = epochs;
  options.batch_size = 4;
  options.eval_every = max_steps > 0 ? 0 : 3;
  if (max_steps > 0) options.max_steps = max_steps;
  options.adamw.max_grad_norm = 1;
  TinyRun run(dropping_config(), invented_examples(32, 40, 299, 5), options);
  EXPECT_TRUE(run.run());
  Bits bits{.losses = {}, .weights = run.weights()};
  for (const StepRecord& record : run.recorder.steps) bits.losses.push_back(record.loss);
  return bits;
}

TEST(Repeats, AThousandStepsGiveEqualBits) {
  const Bits first = trained(1, 1);
  ASSERT_EQ(first.losses.size(), 1U);
  const int threads = num_threads();
  constexpr int kRepeats = 1000;
  int equal = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    set_num_threads(1 + repeat % 5);
    equal += trained(1, 1) == first ? 1 : 0;
  }
  set_num_threads(threads);
  EXPECT_EQ(equal, kRepeats);
  std::printf("%d of %d repeats of a step, with 1 to 5 threads, give equal bits\n", equal, kRepeats);
}

TEST(Repeats, WholeEpochsGiveEqualBits) {
  const Bits first = trained(2, 0);
  EXPECT_EQ(first.losses.size(), 16U);
  EXPECT_TRUE(trained(2, 0) == first);
  EXPECT_FALSE(trained(1, 0).weights == first.weights);
}

}  // namespace
}  // namespace attune::testing
