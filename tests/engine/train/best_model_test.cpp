// The best model of a run: which evaluation it is of, that its weights come back bit by bit, when patience ends a run, and
// that interrupted runs keep it.
#include "engine/train/best_model.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/train/not_a_number.h"
#include "tests/engine/train/resume_case.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

// A rate that is too large: the validation loss falls and rises again. Four epochs of four batches.
TrainOptions restless(const std::string& measure, std::int64_t patience = 0) {
  TrainOptions options;
  options.epochs = 4;
  options.batch_size = 4;
  options.eval_every = 2;
  options.eval_batches = 1;
  options.schedule.peak = 0.1;
  options.keep_best = measure;
  options.patience = patience;
  return options;
}

Dataset examples() {
  return invented_examples(18, 6, 11, 3);
}

std::vector<double> values_of(const Recorder& recorder) {
  std::vector<double> out;
  for (const EvaluationRecord& record : recorder.evaluations) out.push_back(record.measure.value().value);
  return out;
}

TEST(BestModels, WeightsOfTheBestEvaluationComeBack) {
  const Dataset data = examples();
  TinyRun run(tiny_config(), data, restless("loss"));
  ASSERT_TRUE(run.run());
  const std::vector<double> values = values_of(run.recorder);
  const auto at = std::ranges::min_element(values) - values.begin();
  ASSERT_GT(at, 0);
  ASSERT_LT(at, std::ssize(values) - 1) << "the best evaluation is to be in the middle";
  const BestValue best = run.trainer.best_model()->best().value();
  EXPECT_EQ(best.step, run.recorder.evaluations[static_cast<std::size_t>(at)].step);
  EXPECT_EQ(best.value, values[static_cast<std::size_t>(at)]);

  TrainOptions until = restless("");
  until.max_steps = best.step + 1;
  TinyRun shorter(tiny_config(), data, until);
  shorter.run();
  const std::vector<double> last = run.weights();
  EXPECT_NE(last, shorter.weights());
  run.trainer.use_result();
  EXPECT_EQ(run.weights(), shorter.weights());
  EXPECT_EQ(run.trainer.evaluate_all(data, false, {}).loss, best.value);
  run.trainer.use_result();
  EXPECT_EQ(run.weights(), shorter.weights()) << "twice is once";
}

TEST(BestModels, TheBestOfTheValuesIsMarked) {
  const Dataset data = examples();
  for (const std::string measure : {"loss", "f1_macro", "brier", "roc_auc.1"}) {
    TinyRun run(tiny_config(), data, restless(measure));
    run.run();
    std::optional<double> best;
    for (const EvaluationRecord& record : run.recorder.evaluations) {
      const double value = record.measure.value().value;
      EXPECT_EQ(record.measure->name, measure);
      const bool smaller = measure == "loss" || measure == "brier";
      const bool better = !best || (smaller ? value < *best : value > *best);
      EXPECT_EQ(record.best, better) << measure << " at step " << record.step;
      if (better) best = value;
    }
  }
}

TEST(BestModels, KeepingItChangesNoStep) {
  const Dataset data = examples();
  TinyRun keeping(tiny_config(), data, restless("accuracy")), plain(tiny_config(), data, restless(""));
  keeping.run();
  plain.run();
  EXPECT_EQ(losses_of(keeping.recorder), losses_of(plain.recorder));
  EXPECT_EQ(keeping.weights(), plain.weights());
  EXPECT_EQ(keeping.trainer.state().generator, plain.trainer.state().generator);
  EXPECT_FALSE(plain.recorder.evaluations.front().measure);
  EXPECT_EQ(plain.trainer.best_model(), nullptr);
  plain.trainer.use_result();
  EXPECT_EQ(keeping.weights(), plain.weights());
}

// The batches of a run that stops after `patience` evaluations in a row that are not the best.
std::int64_t batches_with(std::int64_t patience, const std::vector<EvaluationRecord>& all, std::int64_t total) {
  std::int64_t since = 0;
  for (const EvaluationRecord& record : all) {
    since = record.best ? 0 : since + 1;
    if (since == patience) return record.step + 1;
  }
  return total;
}

TEST(BestModels, PatienceEndsTheRun) {
  const Dataset data = examples();
  TinyRun whole(tiny_config(), data, restless("loss"));
  whole.run();
  const std::int64_t total = whole.trainer.total_steps();
  std::int64_t shortest = total;
  for (const std::int64_t patience : {1, 2, 3, 100}) {
    TinyRun run(tiny_config(), data, restless("loss", patience));
    EXPECT_TRUE(run.run());
    const std::int64_t batches = batches_with(patience, whole.recorder.evaluations, total);
    EXPECT_EQ(std::ssize(run.recorder.steps), batches) << "patience " << patience;
    EXPECT_EQ(run.trainer.best_model()->out_of_patience(), batches < total);
    EXPECT_TRUE(run.trainer.state().finished);
    shortest = std::min(shortest, batches);
  }
  EXPECT_LT(shortest, total) << "no run has stopped early";
}

// Batches 0 and 8 are evaluated, of which the last is batch 11.
TEST(BestModels, TheWeightsAtTheEndAreCompared) {
  const Dataset data = examples();
  int ends = 0, others = 0;
  for (const double rate : {0.01, 0.05, 0.1, 0.2}) {
    TrainOptions options = restless("loss");
    options.epochs = 3;
    options.eval_every = 8;
    options.schedule.peak = rate;
    TinyRun run(tiny_config(), data, options);
    run.run();
    const std::vector<double> last = run.weights(), values = values_of(run.recorder);
    ASSERT_EQ(values.size(), 2u);
    const double kept = std::ranges::min(values), at_end = run.trainer.evaluate_all(data, false, {}).loss;
    EXPECT_EQ(run.trainer.state().best_model->best.value().value, kept) << "a longer run has the evaluations only";
    const BestValue best = run.trainer.best_model()->best().value();
    EXPECT_EQ(best.value, std::min(kept, at_end));
    EXPECT_EQ(best.step == 11, at_end < kept);
    run.trainer.use_result();
    EXPECT_EQ(run.weights() == last, at_end < kept);
    ++(at_end < kept ? ends : others);
  }
  EXPECT_GT(ends, 0);
  EXPECT_GT(others, 0);
}

// A run that is stopped at any question, also inside of an evaluation of the whole split, goes on as if it had not been.
TEST(BestModels, AStoppedEvaluationIsDoneAgain) {
  const Dataset data = examples();
  for (const double ema_decay : {0.0, 0.5})
    for (const auto& [independent, eval_every] : {std::pair{false, 2}, {true, 2}, {false, 3}}) {  // 3: also at the end
      TrainOptions options = restless("loss", 6);
      options.ema_decay = ema_decay;
      options.epochs = 2;
      options.eval_every = eval_every;
      options.independent_evaluation = independent;
      TinyRun whole(tiny_config(), data, options);
      std::int64_t questions = 0, stopped_evaluations = 0;
      ASSERT_TRUE(whole.run([&] { return ++questions < 0; }));
      ASSERT_GT(questions, 25);
      for (std::int64_t last = 1; last < questions; ++last) {
        SCOPED_TRACE(str_cat("eval_every ", eval_every, ", stopped at question ", last));
        const TempDir dir;
        TinyRun before(tiny_config(), data, options), after(tiny_config(), data, options);
        std::int64_t asked = 0;
        ASSERT_FALSE(before.run([&] { return ++asked == last; }));
        ASSERT_EQ(asked, last) << "it ends at once";
        write_run_state(dir / "state", before.trainer.state());
        const RunState state = read_run_state(dir / "state");
        stopped_evaluations += state.evaluation_left ? 1 : 0;
        EXPECT_FALSE(state.evaluation_left && state.finished);
        after.trainer.restore(state);
        ASSERT_TRUE(after.run());
        EXPECT_EQ(after.weights(), whole.weights());
        std::vector<double> losses = losses_of(before.recorder), values = values_of(before.recorder);
        for (const double loss : losses_of(after.recorder)) losses.push_back(loss);
        for (const double value : values_of(after.recorder)) values.push_back(value);
        EXPECT_EQ(losses, losses_of(whole.recorder));
        EXPECT_EQ(values, values_of(whole.recorder));
        EXPECT_EQ(after.trainer.best_model()->best()->step, whole.trainer.best_model()->best()->step);
        EXPECT_EQ(after.trainer.best()->step, whole.trainer.best()->step);
      }
      EXPECT_GT(stopped_evaluations, 15);
    }
}

TEST(BestModels, TheStateAfterUseIsTheStateBefore) {
  const Dataset data = examples();
  TinyRun run(tiny_config(), data, restless("loss"));
  run.run();
  const TempDir dir;
  write_run_state(dir / "before", run.trainer.state());
  run.trainer.use_result();
  write_run_state(dir / "after", run.trainer.state());
  const RunState before = read_run_state(dir / "before"), after = read_run_state(dir / "after");
  const auto bytes = [](const Tensor& x) { return std::string(static_cast<const char*>(x.raw()), x.bytes()); };
  bool moved = false;
  for (std::size_t i = 0; i < before.parameters.size(); ++i) {
    EXPECT_EQ(bytes(before.parameters[i].value), bytes(after.parameters[i].value));
    EXPECT_EQ(bytes(before.parameters[i].best), bytes(after.parameters[i].best));
    moved |= bytes(before.parameters[i].best) != bytes(before.parameters[i].value);
  }
  EXPECT_TRUE(moved);
}

TEST(BestModels, OnlyABetterValueIsTheBest) {
  const auto model = started_model(tiny_config(), DType::kFloat32);
  BestModel best(*model, two_classes(), "accuracy", 2);
  EXPECT_FALSE(best.offer(0, kNan));
  EXPECT_FALSE(best.best());
  EXPECT_TRUE(best.offer(5, 0.25));
  EXPECT_FALSE(best.offer(10, 0.25)) << "the first of equal ones";
  EXPECT_FALSE(best.out_of_patience());
  EXPECT_TRUE(best.offer(15, 0.5));
  EXPECT_FALSE(best.offer(20, kNan));
  EXPECT_FALSE(best.offer(25, 0.4));
  EXPECT_FALSE(best.out_of_patience()) << "an undefined value does not count";
  EXPECT_FALSE(best.offer(25, 0.4));
  EXPECT_TRUE(best.out_of_patience());
  EXPECT_EQ(best.best()->step, 15);
  best.offer_last(26, 0.5);
  EXPECT_EQ(best.best()->step, 15);
  best.offer_last(26, 0.6);
  EXPECT_EQ(best.best()->step, 26);
}

TEST(BestModels, RunsThatCannotKeepOne) {
  const Dataset data = examples();
  EXPECT_EQ(message_of([&] { TinyRun(tiny_config(), data, restless("f1")); }),
            "the task has no measure 'f1' to choose the best model by");
  EXPECT_EQ(message_of([&] { TinyRun(tiny_config(), data, restless("loss", -1)); }),
            "the patience must be at least 0, not -1");
  TrainOptions options = restless("loss");
  options.eval_every = 0;
  EXPECT_EQ(message_of([&] { TinyRun(tiny_config(), data, options); }),
            "the best model is chosen among evaluations, but the run has none");
  Dataset unlabelled = examples();
  unlabelled.labels = {};
  const auto model = started_model(tiny_config(), DType::kFloat32);
  EXPECT_EQ(message_of([&] {
              Trainer(
                  *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
                  two_classes(), {data, unlabelled, {.max_length = 6}}, restless("loss"));
            }),
            "invented: has no labelled examples to choose the best model by");
}

TEST(BestModels, StatesOfOtherRunsAreRefused) {
  const Dataset data = examples();
  const auto state_of = [&](const std::string& measure) {
    TinyRun run(tiny_config(), data, restless(measure));
    run.run([&] { return !run.recorder.evaluations.empty(); });
    return run.trainer.state();
  };
  const auto refusal = [&](const RunState& state, const std::string& measure) {
    TinyRun run(tiny_config(), data, restless(measure));
    return message_of([&] { run.trainer.restore(state); });
  };
  const RunState plain = state_of(""), loss = state_of("loss");
  EXPECT_EQ(refusal(plain, "loss"), "the checkpoint keeps the best model by nothing, but this run by loss");
  EXPECT_EQ(refusal(loss, "mcc"), "the checkpoint keeps the best model by loss, but this run by mcc");
  EXPECT_EQ(refusal(loss, ""), "the checkpoint keeps the best model, and this run does not");
  EXPECT_EQ(refusal(loss, "loss"), "");
  RunState damaged = loss;
  damaged.parameters[1].best = Tensor::zeros({1}, DType::kFloat32);
  EXPECT_TRUE(refusal(damaged, "loss").starts_with("the checkpoint has no best weights of "));
  damaged = loss;
  damaged.best_model->best.reset();
  EXPECT_TRUE(refusal(damaged, "loss").ends_with(", which cannot be"));
}

TEST(BestModels, InterruptedRunsKeepThem) {
  for (const std::int64_t patience : {0, 1, 2}) {
    ResumeCase how{.options = eventful()};
    how.options.epochs = 3;
    how.options.eval_every = 2;
    how.options.schedule.peak = 0.1;
    how.options.keep_best = "loss";
    how.options.patience = patience;
    Life life(how);
    life.trainer().run(life.recorder, never);
    EXPECT_EQ(life.trainer().best_model()->out_of_patience(), patience > 0) << "the case is too calm";
    expect_resumes(how);
  }
}

TEST(BestModels, InterruptedRunsKeepThemInsideOfGroupsAndWithLateRows) {
  ResumeCase how{.packed = true, .options = eventful(), .examples = 23};
  how.options.eval_every = 1;
  how.options.schedule.peak = 0.1;
  how.options.accumulation_steps = 3;
  how.options.adamw.late_tables = LateTables::kAll;
  how.options.keep_best = "accuracy";
  how.options.patience = 4;
  expect_resumes(how);
}

// The weights at the end of the shorter run are not an evaluation of the longer one.
TEST(BestModels, ALongerRunGoesOnFromAFinishedOne) {
  ResumeCase longer{.options = eventful()};
  longer.options.schedule.kind = LrSchedule::Kind::kConstant;
  longer.options.schedule.peak = 1e-3;
  longer.options.keep_best = "loss";
  longer.options.epochs = 3;
  ResumeCase shorter = longer;
  shorter.options.max_steps = 5;
  Life whole(longer), finished(shorter), resumed(longer);
  whole.trainer().run(whole.recorder, never);
  finished.trainer().run(finished.recorder, never);
  EXPECT_EQ(finished.trainer().best_model()->best()->step, 4)
      << "the case is to be one whose last weights are the best";
  finished.trainer().use_result();
  resumed.trainer().restore(finished.trainer().state());
  resumed.trainer().run(resumed.recorder, never);
  EXPECT_EQ(ending(resumed), ending(whole));
}

}  // namespace
}  // namespace attune::testing
