// The moving average of the weights: its formula step by step, which weights a run is evaluated and saved with, that training
// does not notice it, and that interrupted runs keep it.
#include "engine/train/moving_average.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/engine/train/resume_case.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TrainOptions averaging(double decay) {
  TrainOptions options;
  options.epochs = 3;
  options.batch_size = 4;
  options.eval_every = 2;
  options.eval_batches = 1;
  options.schedule.peak = 0.05;
  options.ema_decay = decay;
  return options;
}

Dataset texts() {
  return invented_examples(22, 6, 11, 3);
}

std::vector<double> numbers(const Tensor& x) {
  const Tensor exact = x.cast(DType::kFloat64);
  return {exact.values<double>().begin(), exact.values<double>().end()};
}

// All values or averages of a state, one after the other.
std::vector<double> flat(const RunState& state, Tensor RunState::Parameter::*part) {
  std::vector<double> out;
  for (const RunState::Parameter& held : state.parameters) {
    const std::vector<double> more = numbers(held.*part);
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

TEST(MovingAverages, FollowTheWeightsStepByStep) {
  for (const double decay : {0.3, 0.999})
    for (const std::int64_t accumulation : {1, 2}) {
      TrainOptions options = averaging(decay);
      options.accumulation_steps = accumulation;
      TinyRun run(tiny_config(), texts(), options, DType::kFloat64);
      std::vector<double> expected = run.weights();
      std::int64_t updates = 0;
      const SavePlan plan{1, [&](const RunState& state) {
                            const std::vector<double> now = flat(state, &RunState::Parameter::value),
                                                      average = flat(state, &RunState::Parameter::average);
                            if (state.optimizer_steps > updates) {
                              const double n = static_cast<double>(updates), d = std::min(decay, (1 + n) / (10 + n));
                              for (std::size_t i = 0; i < now.size(); ++i)
                                expected[i] = d * expected[i] + (1 - d) * now[i];
                              updates = state.optimizer_steps;
                            }
                            ASSERT_EQ(average.size(), expected.size());
                            for (std::size_t i = 0; i < average.size(); ++i)
                              ASSERT_NEAR(average[i], expected[i], 1e-14) << "step " << state.step;
                            EXPECT_EQ(average == now, updates == 0);
                          }};
      EXPECT_TRUE(run.trainer.run(run.recorder, never, plan));
      EXPECT_EQ(updates, accumulation == 1 ? 15 : 9);
    }
}

// The steps are those of a run without an average; its evaluations and its result are those of a model with the averages.
TEST(MovingAverages, AreWhatARunIsEvaluatedAndSavedWith) {
  TinyRun plain(tiny_config(), texts(), averaging(0)), run(tiny_config(), texts(), averaging(0.9));
  plain.run();
  run.run();
  EXPECT_EQ(losses_of(run.recorder), losses_of(plain.recorder));
  EXPECT_EQ(run.weights(), plain.weights());
  EXPECT_NE(run.recorder.evaluations.back().validation_loss, plain.recorder.evaluations.back().validation_loss);
  EXPECT_NE(run.recorder.epochs.back().validation.loss, plain.recorder.epochs.back().validation.loss);

  const std::vector<double> averages = flat(run.trainer.state(), &RunState::Parameter::average);
  const Evaluation during = run.trainer.evaluate_all(run.examples, false, {});
  EXPECT_EQ(run.weights(), plain.weights()) << "the weights are back";
  run.trainer.use_result();
  EXPECT_EQ(run.weights(), averages);
  EXPECT_EQ(run.trainer.evaluate_all(run.examples, false, {}).loss, during.loss);
  EXPECT_EQ(flat(run.trainer.state(), &RunState::Parameter::average), averages) << "the state before";
  EXPECT_EQ(flat(run.trainer.state(), &RunState::Parameter::value), plain.weights());

  TinyRun other(tiny_config(), texts(), averaging(0));
  RunState state = plain.trainer.state();
  for (std::size_t i = 0; i < state.parameters.size(); ++i)
    state.parameters[i].value = run.trainer.state().parameters[i].average.clone();
  other.trainer.restore(state);
  EXPECT_EQ(other.trainer.evaluate_all(other.examples, false, {}).loss, during.loss);
}

// Ctrl-C and an error inside of an evaluation.
TEST(MovingAverages, TheWeightsComeBackFromEveryEvaluation) {
  TinyRun run(tiny_config(), texts(), averaging(0.9));
  run.run();
  const std::vector<double> weights = run.weights();
  int asked = 0;
  run.trainer.evaluate_all(run.examples, false, [&](std::int64_t, std::int64_t) {
    EXPECT_NE(run.weights(), weights);
    return ++asked < 2;
  });
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(run.weights(), weights);
  EXPECT_THROW(
      run.trainer.evaluate_all(run.examples, false,
                               [](std::int64_t, std::int64_t) -> bool { throw std::runtime_error("a fault"); }),
      std::runtime_error);
  EXPECT_EQ(run.weights(), weights);
}

TEST(MovingAverages, TheBestModelIsAnAverage) {
  TrainOptions options = averaging(0.8);
  options.keep_best = "loss";
  options.schedule.peak = 0.5;
  TinyRun run(tiny_config(), texts(), options);
  run.run();
  const RunState before = run.trainer.state();
  const std::vector<double> weights = flat(before, &RunState::Parameter::value),
                            averages = flat(before, &RunState::Parameter::average),
                            best = flat(before, &RunState::Parameter::best);
  ASSERT_LT(run.trainer.best_model()->best()->step, 14) << "the last evaluation is the best";
  EXPECT_NE(best, averages);
  run.trainer.use_result();
  EXPECT_EQ(run.weights(), best);
  EXPECT_EQ(run.trainer.evaluate_all(run.examples, false, {}).loss, run.trainer.best_model()->best()->value);
  const RunState after = run.trainer.state();
  EXPECT_EQ(flat(after, &RunState::Parameter::value), weights);
  EXPECT_EQ(flat(after, &RunState::Parameter::average), averages);
  EXPECT_EQ(flat(after, &RunState::Parameter::best), best);
}

TEST(MovingAverages, LateRowsChangeNoBit) {
  ResumeCase how{.options = eventful()};
  how.options.ema_decay = 0.9;
  how.options.adamw.late_tables = LateTables::kNone;
  Life plain(how);
  plain.trainer().run(plain.recorder, never);
  how.options.adamw.late_tables = LateTables::kAll;
  Life late(how);
  late.trainer().run(late.recorder, never);
  EXPECT_EQ(ending(late), ending(plain));
}

TEST(MovingAverages, InterruptedRunsKeepThem) {
  for (const std::int64_t accumulation : {1, 3})
    for (const bool best : {false, true}) {
      ResumeCase how{.options = eventful(), .examples = 23};
      how.options.ema_decay = 0.99;
      how.options.accumulation_steps = accumulation;
      how.options.keep_best = best ? "loss" : "";
      expect_resumes(how);
    }
}

TEST(MovingAverages, FrozenParametersHaveNone) {
  const auto model = started_model(tiny_config(), DType::kFloat32);
  set_trainable(*model, TrainableLayers::kLastLayer);
  const Dataset data = texts();
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(), {data, data, {.max_length = 6}}, averaging(0.9));
  Recorder recorder;
  trainer.run(recorder, never);
  const RunState state = trainer.state();
  std::size_t averaged = 0;
  for (const RunState::Parameter& held : state.parameters) {
    EXPECT_EQ(held.average.defined(), held.m.defined()) << held.name;
    averaged += held.average.defined() ? 1 : 0;
  }
  EXPECT_GT(averaged, 0u);
  EXPECT_LT(averaged, state.parameters.size());
}

// More elements than are exchanged at once.
TEST(MovingAverages, LargeTablesAreExchangedInParts) {
  Gpt2Config config = tiny_config();
  config.vocab_size = 290000;
  const auto model = started_model(config, DType::kFloat32);
  MovingAverage average(*model, 0.5);
  const Parameter table = parameters_of(*model).front().parameter;
  ASSERT_EQ(table.shape(), (Shape{290000, 8}));
  const std::vector<double> before = numbers(table.exact());
  std::vector<float> changed(before.size());
  for (std::size_t i = 0; i < changed.size(); ++i) changed[i] = static_cast<float>(i);
  table.set_exact(Tensor::from(changed, table.shape()));
  const std::vector<double> after = numbers(table.exact());
  average.use();
  EXPECT_TRUE(numbers(table.exact()) == before);
  average.put_back();
  EXPECT_TRUE(numbers(table.exact()) == after);
}

TEST(MovingAverages, Mistakes) {
  const auto model = started_model(tiny_config(), DType::kFloat32);
  for (const double decay : {0.0, 1.0, 1.5, -0.1}) EXPECT_THROW(MovingAverage(*model, decay), Error) << decay;
  EXPECT_DOUBLE_EQ(MovingAverage::decay_at(0.999, 0), 0.1);
  EXPECT_DOUBLE_EQ(MovingAverage::decay_at(0.999, 90), 0.91);
  EXPECT_DOUBLE_EQ(MovingAverage::decay_at(0.999, 100000), 0.999);

  TinyRun with(tiny_config(), texts(), averaging(0.9)), without(tiny_config(), texts(), averaging(0));
  EXPECT_EQ(message_of([&] { without.trainer.restore(with.trainer.state()); }),
            "the checkpoint keeps a moving average, and this run does not");
  EXPECT_TRUE(message_of([&] {
                with.trainer.restore(without.trainer.state());
              }).starts_with("the checkpoint has no moving average of "));
  MovingAverage average(*model, 0.5);
  average.use();
  EXPECT_THROW(average.begin_step(0), Error);
  average.put_back();
  average.begin_step(0);
}

}  // namespace
}  // namespace attune::testing
