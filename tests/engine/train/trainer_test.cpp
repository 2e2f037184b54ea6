// The training loop on a GPT of one layer: it learns, repeats itself bit by bit, and stops when and where it says.
#include "engine/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/parallel.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TrainOptions quiet(std::int64_t epochs, double learning_rate = 1e-2) {
  TrainOptions options;
  options.epochs = epochs;
  options.batch_size = 4;
  options.eval_every = 0;
  options.schedule.peak = learning_rate;
  return options;
}

TEST(Training, ATinySetIsLearntByHeart) {
  const Dataset examples = invented_examples(8, 6, 11, 3);
  TrainOptions options = quiet(80);
  options.adamw.weight_decay = 0;
  TinyRun run(tiny_config(), examples, options);
  EXPECT_TRUE(run.run());
  EXPECT_GT(run.recorder.steps.front().loss, 0.3);
  EXPECT_LT(run.recorder.steps.back().loss, 1e-2);
  EXPECT_EQ(run.recorder.epochs.back().train.measure("accuracy"), 1);
  EXPECT_EQ(run.recorder.epochs.back().validation.measure("accuracy"), 1);
}

TEST(Training, AParameterThatTheModelIgnoresEndsTheFirstStep) {
  const std::string error =
      "training stopped at the first step: head.ignored is trained and has no gradient; the model does not use it";
  TrainOptions options = quiet(2);
  EXPECT_EQ(careless_run(Device::kCpu, false, options), std::pair(error, std::size_t{0}));
  EXPECT_EQ(careless_run(Device::kCpu, true, options), std::pair(std::string(), std::size_t{8})) << "it is frozen";
  options.accumulation_steps = 2;
  EXPECT_EQ(careless_run(Device::kCpu, false, options), std::pair(error, std::size_t{1}))
      << "the group has two batches";
  EXPECT_EQ(careless_run(Device::kCpu, true, options), std::pair(std::string(), std::size_t{8}));
}

struct Outcome {
  std::vector<double> weights, losses;
  bool operator==(const Outcome&) const = default;
};

// Large enough for every kernel to share its work among threads, with dropout.
Outcome outcome(int threads, std::uint64_t seed) {
  set_num_threads(threads);
  const Gpt2Config config{.vocab_size = 100,
                          .n_positions = 48,
                          .n_embd = 64,
                          .n_layer = 1,
                          .n_head = 4,
                          .n_inner = 256,
                          .embd_pdrop = 0.1f,
                          .attn_pdrop = 0.1f,
                          .resid_pdrop = 0.1f};
  const Dataset examples = invented_examples(24, 48, 99, 4);
  TrainOptions options = quiet(1, 1e-3);
  options.batch_size = 8;
  options.seed = seed;
  options.adamw.max_grad_norm = 0.5;
  TinyRun run(config, examples, options);
  run.run();
  Outcome out{run.weights(), {}};
  for (const StepRecord& record : run.recorder.steps) out.losses.push_back(record.loss);
  return out;
}

TEST(Training, EqualRunsAreBitwiseEqualOnAnyNumberOfThreads) {
  const int before = num_threads();
  const Outcome one = outcome(1, 123);
  EXPECT_EQ(one, outcome(1, 123));
  for (const int threads : {2, 5}) EXPECT_EQ(one, outcome(threads, 123)) << threads << " threads";
  EXPECT_NE(one, outcome(1, 124));
  set_num_threads(before);
}

TEST(Training, StopEndsTheRunAfterTheBatchItIsAskedAt) {
  const Dataset examples = invented_examples(16, 6, 11, 3);
  TinyRun stopped(tiny_config(), examples, quiet(3));
  int asked = 0;
  EXPECT_FALSE(stopped.run([&] { return ++asked == 6; }));
  EXPECT_EQ(stopped.recorder.steps.size(), 6u);
  EXPECT_EQ(stopped.recorder.epochs.size(), 1u);
  EXPECT_EQ(stopped.recorder.total, 12);

  TrainOptions options = quiet(3);
  options.max_steps = 6;
  TinyRun limited(tiny_config(), examples, options);
  EXPECT_TRUE(limited.run());
  EXPECT_EQ(limited.recorder.steps.size(), 6u);
  EXPECT_EQ(limited.recorder.total, 6);
  EXPECT_EQ(limited.trainer.total_steps(), 6);
  EXPECT_EQ(stopped.weights(), limited.weights());
}

// A run whose last batch is done has ended, unless the end of its epoch is left.
TEST(Training, StopAfterTheLastBatchComesTooLate) {
  const Dataset examples = invented_examples(16, 6, 11, 3);  // four batches an epoch
  for (const std::int64_t steps : {6, 8}) {
    TrainOptions options = quiet(3);
    options.max_steps = steps;
    TinyRun run(tiny_config(), examples, options);
    int asked = 0;
    EXPECT_EQ(run.run([&] { return ++asked == steps; }), steps == 6);
    EXPECT_EQ(run.recorder.steps.size(), static_cast<std::size_t>(steps));
    EXPECT_EQ(run.trainer.state().finished, steps == 6);
  }
}

TEST(Training, MoreStepsThanThereAreChangeNothing) {
  const Dataset examples = invented_examples(9, 6, 11, 3);  // the ninth is dropped
  TrainOptions options = quiet(2);
  options.max_steps = 100;
  TinyRun run(tiny_config(), examples, options);
  EXPECT_TRUE(run.run());
  EXPECT_EQ(run.recorder.steps.size(), 4u);
  EXPECT_EQ(run.recorder.epochs.size(), 2u);
}

TEST(Training, EvaluationsAndEpochs) {
  const Dataset examples = invented_examples(20, 6, 11, 3);
  TrainOptions options = quiet(2);
  options.eval_every = 3;
  options.eval_batches = 2;
  TinyRun run(tiny_config(), examples, options);
  run.run();
  std::vector<std::int64_t> steps, epochs, epochs_of_steps;
  for (const EvaluationRecord& record : run.recorder.evaluations) steps.push_back(record.step);
  for (const EpochRecord& record : run.recorder.epochs) epochs.push_back(record.epoch);
  for (const StepRecord& record : run.recorder.steps) epochs_of_steps.push_back(record.epoch);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 3, 6, 9}));
  EXPECT_EQ(epochs, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(epochs_of_steps, (std::vector<std::int64_t>{1, 1, 1, 1, 1, 2, 2, 2, 2, 2}));
}

TEST(Training, OnlyIndependentEvaluationsLeaveTheOrderOfExamplesAlone) {
  const Dataset examples = invented_examples(40, 6, 11, 3);
  const auto weights = [&](bool independent, std::int64_t every) {
    TrainOptions options = quiet(2);
    options.eval_every = every;
    options.eval_batches = 2;
    options.independent_evaluation = independent;
    TinyRun run(tiny_config(), examples, options);
    run.run();
    return run.weights();
  };
  EXPECT_EQ(weights(true, 1), weights(true, 0));
  EXPECT_EQ(weights(true, 3), weights(true, 0));
  EXPECT_NE(weights(false, 1), weights(false, 0)) << "as in the reference recipe";
}

TEST(Training, TwoBatchesOfFourAreOneOfEight) {
  const Dataset examples = invented_examples(24, 6, 11, 3);
  TrainOptions options = quiet(2);
  options.adamw.max_grad_norm = 0.3;
  options.accumulation_steps = 2;
  TinyRun accumulated(tiny_config(), examples, options, DType::kFloat64);
  accumulated.run();
  options.accumulation_steps = 1;
  options.batch_size = 8;
  TinyRun whole(tiny_config(), examples, options, DType::kFloat64);
  whole.run();
  ASSERT_EQ(accumulated.recorder.steps.size(), 2 * whole.recorder.steps.size());
  for (std::size_t i = 0; i < whole.recorder.steps.size(); ++i) {
    const double halves = (accumulated.recorder.steps[2 * i].loss + accumulated.recorder.steps[2 * i + 1].loss) / 2;
    EXPECT_NEAR(halves, whole.recorder.steps[i].loss, 1e-12);
    EXPECT_FALSE(accumulated.recorder.steps[2 * i].grad_norm.has_value());
    EXPECT_NEAR(accumulated.recorder.steps[2 * i + 1].grad_norm.value(), whole.recorder.steps[i].grad_norm.value(),
                1e-12);
  }
  const std::vector<double> a = accumulated.weights(), b = whole.weights();
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-10) << "weight " << i;
}

// The gradient of a group of batches of different sizes is the mean over all of its texts, class weights included.
TEST(Training, BatchesByTokensCountByTheirTexts) {
  const Dataset examples = invented_examples(23, 6, 11, 3);
  for (const std::vector<double>& weights : {std::vector<double>{}, {1, 5}}) {
    const auto task = make_task(kSingleLabel, {.outputs = 2, .dtype = DType::kFloat64, .class_weights = weights});
    TrainOptions options = quiet(2);
    options.adamw.max_grad_norm = 0.3;
    options.batch_tokens = 17;
    options.accumulation_steps = 1000;
    TinyRun parts(tiny_config(), examples, options, DType::kFloat64, true, *task);
    parts.run();
    options.batch_tokens = 0;
    options.accumulation_steps = 1;
    options.batch_size = 23;
    TinyRun whole(tiny_config(), examples, options, DType::kFloat64, true, *task);
    whole.run();
    ASSERT_EQ(whole.recorder.steps.size(), 2u);
    EXPECT_GT(parts.recorder.steps.size(), 8u);
    EXPECT_NEAR(parts.recorder.steps.back().grad_norm.value(), whole.recorder.steps.back().grad_norm.value(), 1e-12);
    const std::vector<double> a = parts.weights(), b = whole.weights();
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-10) << "weight " << i;
  }
}

// Each epoch has its own number of batches; the run knows their sum from its beginning.
TEST(Training, BatchesByTokensAreCountedInAdvance) {
  const Dataset examples = invented_examples(60, 6, 11, 3);
  for (const std::int64_t eval_every : {0, 1, 3, 7})
    for (const bool independent : {false, true})
      for (const std::int64_t accumulation : {1, 4}) {
        TrainOptions options = quiet(5);
        options.batch_tokens = 11;
        options.eval_every = eval_every;
        options.eval_batches = 1;
        options.independent_evaluation = independent;
        options.accumulation_steps = accumulation;
        options.schedule.kind = LrSchedule::Kind::kLinear;
        TinyRun run(tiny_config(), examples, options, DType::kFloat32, true);
        run.run();
        const std::vector<StepRecord>& steps = run.recorder.steps;
        ASSERT_EQ(std::ssize(steps), run.trainer.total_steps());
        EXPECT_EQ(run.recorder.total, run.trainer.total_steps());
        EXPECT_EQ(run.recorder.epochs.size(), 5u);
        std::map<std::int64_t, int> batches;
        std::int64_t updates = 0;
        for (const StepRecord& step : steps) {
          ++batches[step.epoch];
          updates += step.grad_norm ? 1 : 0;
        }
        std::set<int> counts;
        for (const auto& [epoch, count] : batches) counts.insert(count);
        EXPECT_GT(counts.size(), 1u) << "the epochs do not differ";
        const double peak = options.schedule.peak;
        EXPECT_DOUBLE_EQ(steps.back().learning_rate,
                         peak * (1 - static_cast<double>(updates - 1) / static_cast<double>(updates)));
        EXPECT_EQ(run.trainer.schedule().total_steps, updates);
      }
}

TEST(Training, AnEpochEndsWithAnOptimizerStepAndTheScheduleCountsIt) {
  const Dataset examples = invented_examples(12, 6, 11, 3);  // three batches, two per optimizer step
  TrainOptions options = quiet(2, 8);
  options.accumulation_steps = 2;
  options.schedule.kind = LrSchedule::Kind::kLinear;
  TinyRun run(tiny_config(), examples, options, DType::kFloat64);
  run.run();
  std::vector<bool> stepped;
  std::vector<double> rates;
  for (const StepRecord& record : run.recorder.steps) {
    stepped.push_back(record.grad_norm.has_value());
    rates.push_back(record.learning_rate);
  }
  EXPECT_EQ(stepped, (std::vector<bool>{false, true, true, false, true, true}));
  EXPECT_EQ(rates,
            (std::vector<double>{8, 8, 6, 4, 4, 2}));  // zero is reached after the last of four steps, not before it
}

TEST(Training, TheLastGroupOfARunThatIsCutShortIsApplied) {
  const Dataset examples = invented_examples(24, 6, 11, 3);  // six batches
  TrainOptions options = quiet(1);
  options.accumulation_steps = 2;
  options.max_steps = 3;
  TinyRun run(tiny_config(), examples, options);
  run.run();
  std::vector<bool> stepped;
  for (const StepRecord& record : run.recorder.steps) stepped.push_back(record.grad_norm.has_value());
  EXPECT_EQ(stepped, (std::vector<bool>{false, true, true}));
}

TEST(EpochPlans, PlacesAndSteps) {
  const EpochPlan even = EpochPlan::even(3, 4, 0), uneven = EpochPlan::uneven({4, 4, 4}, 0);
  for (const std::int64_t group : {1, 2, 3, 5, 100})
    EXPECT_EQ(even.optimizer_steps(group), uneven.optimizer_steps(group)) << group;
  for (std::int64_t step = 1; step <= 12; ++step) {
    EXPECT_EQ(even.ends_epoch(step), step % 4 == 0);
    EXPECT_EQ(uneven.ends_epoch(step), step % 4 == 0);
    for (std::int64_t epoch = 0; epoch <= 4; ++epoch)
      for (std::int64_t batch = -1; batch <= 5; ++batch)
        EXPECT_EQ(even.is_place(step, epoch, batch), uneven.is_place(step, epoch, batch));
  }
  const EpochPlan plan = EpochPlan::uneven({3, 5, 2}, 9);
  EXPECT_EQ(plan.total_steps(), 9);
  EXPECT_EQ(plan.first_step(3), 8);
  EXPECT_EQ(plan.optimizer_steps(2), 2 + 3 + 1);
  EXPECT_TRUE(plan.is_place(3, 1, 3));
  EXPECT_TRUE(plan.is_place(3, 2, 0));
  EXPECT_TRUE(plan.is_place(10, 4, 0));
  EXPECT_FALSE(plan.is_place(4, 1, 4));
  EXPECT_FALSE(plan.is_place(11, 4, 1));
  EXPECT_FALSE(plan.is_place(11, 5, 0));
}

TEST(Training, FrozenParametersStayAsTheyAre) {
  const Dataset examples = invented_examples(16, 6, 11, 3);
  const auto started = started_model(tiny_config(), DType::kFloat32);
  const Gpt2Classifier& model = *started;
  set_trainable(model, TrainableLayers::kLastLayer);
  std::vector<Tensor> before;
  for (const auto& [name, parameter] : parameters_of(model)) before.push_back(parameter.value().clone());
  Trainer trainer(
      model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model.forward(batch, pass); },
      two_classes(), {examples, examples, {.max_length = 6}}, quiet(1));
  Recorder recorder;
  trainer.run(recorder, [] { return false; });
  std::size_t i = 0, changed = 0;
  for (const auto& [name, parameter] : parameters_of(model)) {
    const auto now = parameter.value().values<float>(), old = before[i++].values<float>();
    const bool same = std::equal(now.begin(), now.end(), old.begin());
    EXPECT_EQ(same, !parameter.requires_grad()) << name;
    changed += !same;
  }
  EXPECT_GT(changed, 0u);
  EXPECT_LT(changed, i);
}

TEST(Training, OptionsThatCannotWork) {
  const Dataset examples = invented_examples(3, 6, 11, 3);
  const std::string few = message_of([&] { TinyRun(tiny_config(), examples, quiet(1)); });
  EXPECT_TRUE(few.starts_with("invented: 3 training examples")) << few;
  TrainOptions options = quiet(1);
  options.batch_size = 3;
  options.accumulation_steps = 0;
  EXPECT_THROW(TinyRun(tiny_config(), examples, options), Error);
  options.accumulation_steps = 1;
  options.batch_size = 0;
  EXPECT_THROW(TinyRun(tiny_config(), examples, options), Error);
  options = quiet(std::numeric_limits<std::int64_t>::max());
  options.batch_size = 1;
  EXPECT_EQ(message_of([&] { TinyRun(tiny_config(), examples, options); }),
            "9223372036854775807 epochs of 3 batches are more than can be counted");
  options.batch_tokens = 5;
  EXPECT_EQ(message_of([&] { TinyRun(tiny_config(), examples, options); }),
            "batches of 5 tokens need the order of every epoch in advance: at most 100000 epochs, not "
            "9223372036854775807");
  options.max_steps = 7;
  EXPECT_EQ(TinyRun(tiny_config(), examples, options).trainer.total_steps(), 7);
  options.batch_tokens = -1;
  EXPECT_THROW(TinyRun(tiny_config(), examples, options), Error);
}

}  // namespace
}  // namespace attune::testing
