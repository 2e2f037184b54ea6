// A run that several processes share has the numbers of one process with whole batches. Under mpirun with 2 to 4
// processes (CMakeLists.txt); every process also runs alone, to compare.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "engine/tensor/storage.h"
#include "engine/train/run_state.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"
#include "tests/support/processes.h"

namespace attune::testing {
namespace {

const Task& weighted_classes() {
  static const std::unique_ptr<Task> task =
      make_task("single_label_classification", {.outputs = 2, .class_weights = {0.3, 2.5}});
  return *task;
}

// Texts of class 0 do not count: often none of a process does.
const Task& one_class_counts() {
  static const std::unique_ptr<Task> task =
      make_task("single_label_classification", {.outputs = 2, .class_weights = {0, 1.5}});
  return *task;
}

struct Case {
  const char* name;
  bool packed = false;
  float dropout = 0;
  std::int64_t accumulation_steps = 1;
  Device device = Device::kCpu;
  std::int64_t batch_size = 12;
  const Task& task = two_classes();
  bool sharded = false;  // the optimizer's state
  double ema_decay = 0;
  bool groups = false;  // of learning rates and weight decay
  bool frozen = false;  // the first block
  bool large = false;   // the table of tokens is several pieces
  std::int64_t batch_tokens = 0;
  bool group_by_length = false;
  double learning_rate = 1e-3;  // batches of few texts have large gradients, and rounding grows with the steps
  LateTables late_tables = LateTables::kAll;

  // The simulated device is slow: less of everything.
  bool small() const { return device == Device::kCuda; }
  std::size_t examples() const { return small() ? 37 : batch_tokens > 0 ? 50 : 100; }
  std::int64_t first_steps() const { return small() ? 2 : 6; }
  Gpt2Config config() const {
    return {.vocab_size = large ? 2000 : 100,
            .n_positions = 24,
            .n_embd = small() ? 16 : 32,
            .n_layer = small() ? 1 : 2,
            .n_head = 2,
            .n_inner = small() ? 16 : 64,
            .embd_pdrop = dropout,
            .attn_pdrop = dropout,
            .resid_pdrop = dropout};
  }
};

// The run of a case, shared by `processes`.
class SharedRun {
 public:
  /// `label`: of all training examples; negative: random labels.
  SharedRun(const Case& of, Communicator& processes, std::int64_t max_steps = 0, std::int32_t label = -1)
      : examples_(labelled(invented_examples(of.examples(), of.small() ? 8 : 24, 99, 4), label)),
        validation_(invented_examples(of.small() ? 13 : 41, of.small() ? 8 : 24, 99, 5)),
        model_(started_model(of.config(), DType::kFloat32)) {
    place(*model_, of.device, DType::kFloat32);
    if (of.frozen) set_trainable(*model_, [](const std::string& name) { return !name.starts_with("blocks.0."); });
    TrainOptions options;
    options.shard_optimizer = of.sharded;
    options.ema_decay = of.ema_decay;
    if (of.groups)
      options.adamw.group_of = [](const std::string& name) {
        return AdamWGroup{.learning_rate_scale = name.starts_with("blocks.1.") ? 1 : 0.5,
                          .decays = name.ends_with("weight")};
      };
    options.epochs = of.small() ? 1 : 2;
    options.batch_size = of.batch_tokens > 0 ? 8 : of.batch_size;
    options.batch_tokens = of.batch_tokens;
    options.group_by_length = of.group_by_length;
    options.accumulation_steps = of.accumulation_steps;
    options.eval_every = 3;
    options.eval_batches = 5;
    options.max_steps = max_steps;
    options.schedule.peak = of.learning_rate;
    options.keep_best = "loss";
    options.adamw.max_grad_norm = 0.5;
    options.adamw.late_tables = of.late_tables;
    trainer_ = std::make_unique<Trainer>(
        *model_, [this](const TokenBatch& batch, const ForwardPass& pass) { return logits(batch, pass); }, of.task,
        TrainData{examples_,
                  validation_,
                  {.max_length = 24, .pad_id = 99, .packed = of.packed, .mask = true},
                  of.device,
                  processes},
        options);
  }
  void restore(const RunState& state) { trainer_->restore(state); }
  void run() {
    trainer_->run(recorder_, [] { return false; });
  }
  RunState state() const { return trainer_->state(); }
  bool has_late_rows() const {
    return std::ranges::any_of(parameters_of(*model_),
                               [](const NamedParameter& named) { return named.parameter.late_rows() != nullptr; });
  }
  /// Its state from a file, as all ranks read it.
  RunState saved(Communicator& processes) const {
    const TempDir folder;
    const std::string file = processes.gather(folder / "state").front();
    trainer_->save_state([&](const RunState& state) { write_run_state(file, state); });
    RunState out = read_run_state(file);
    processes.gather({});  // the file stays until all have read it
    return out;
  }
  const Recorder& recorder() const { return recorder_; }
  Trainer& trainer() { return *trainer_; }
  const Trainer& trainer() const { return *trainer_; }
  /// From now on the logits are not finite.
  void spoil() { spoilt_ = true; }
  Evaluation evaluate() { return trainer_->evaluate_all(validation_, false, {}); }
  std::vector<float> weights() const {
    std::vector<float> out;
    for (const auto& [name, parameter] : parameters_of(*model_)) {
      const Tensor values = parameter.value().to(Device::kCpu);
      out.insert(out.end(), values.values<float>().begin(), values.values<float>().end());
    }
    return out;
  }

 private:
  static Dataset labelled(Dataset examples, std::int32_t label) {
    if (label >= 0) std::ranges::fill(examples.labels.values<std::int32_t>(), label);
    return examples;
  }
  Variable logits(const TokenBatch& batch, const ForwardPass& pass) const {
    if (!spoilt_) return model_->forward(batch, pass);
    const std::int64_t texts = batch.lengths.numel();
    return Variable(Tensor::from(std::vector<float>(static_cast<std::size_t>(2 * texts), NAN), {texts, 2}));
  }

  const Dataset examples_, validation_;
  std::unique_ptr<Gpt2Classifier> model_;
  bool spoilt_ = false;
  std::unique_ptr<Trainer> trainer_;
  Recorder recorder_;
};

void expect_near(const Recorder& shared, const Recorder& alone) {
  ASSERT_EQ(shared.steps.size(), alone.steps.size());
  for (std::size_t i = 0; i < alone.steps.size(); ++i) {
    EXPECT_NEAR(shared.steps[i].loss, alone.steps[i].loss, 1e-6) << "step " << i;
    EXPECT_EQ(shared.steps[i].learning_rate, alone.steps[i].learning_rate);
    ASSERT_EQ(shared.steps[i].grad_norm.has_value(), alone.steps[i].grad_norm.has_value());
    const double norm = alone.steps[i].grad_norm.value_or(0);  // float32 gradients: their error grows with them
    EXPECT_NEAR(shared.steps[i].grad_norm.value_or(0), norm, std::max(1e-5, 1e-6 * norm));
  }
  ASSERT_EQ(shared.evaluations.size(), alone.evaluations.size());
  for (std::size_t i = 0; i < alone.evaluations.size(); ++i) {
    EXPECT_NEAR(shared.evaluations[i].train_loss, alone.evaluations[i].train_loss, 1e-6) << i;
    EXPECT_NEAR(shared.evaluations[i].validation_loss, alone.evaluations[i].validation_loss, 1e-6) << i;
    EXPECT_NEAR(shared.evaluations[i].measure->value, alone.evaluations[i].measure->value, 1e-6) << i;
  }
  ASSERT_EQ(shared.epochs.size(), alone.epochs.size());
}

TEST(SharedRun, TokenTablesThatChangeLateHaveTheBitsOfOthers) {
  SharedRun late({.name = "", .packed = true}, joined_processes()),
      other({.name = "", .packed = true, .late_tables = LateTables::kNone}, joined_processes());
  EXPECT_TRUE(late.has_late_rows());
  EXPECT_FALSE(other.has_late_rows());
  late.run();
  other.run();
  EXPECT_EQ(late.weights(), other.weights());
}

class SharedRuns : public ::testing::TestWithParam<Case> {};

TEST_P(SharedRuns, HaveTheNumbersOfOneProcess) {
  SharedRun shared(GetParam(), joined_processes()), alone(GetParam(), single_process());
  shared.run();
  alone.run();
  expect_near(shared.recorder(), alone.recorder());
}

TEST_P(SharedRuns, RepeatTheirBitsAndAreEqualOnAllRanks) {
  SharedRun first(GetParam(), joined_processes()), again(GetParam(), joined_processes());
  first.run();
  again.run();
  EXPECT_EQ(first.weights(), again.weights());
  const std::vector<float> mine = first.weights();
  const std::string_view bytes(reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(float));
  for (const std::string& other : joined_processes().gather(bytes)) EXPECT_EQ(other, bytes);
}

TEST_P(SharedRuns, ResumeToTheSameBitsAlsoFromARunOfOneProcess) {
  SharedRun whole(GetParam(), joined_processes()), begin(GetParam(), joined_processes(), GetParam().first_steps()),
      rest(GetParam(), joined_processes());
  whole.run();
  begin.run();
  rest.restore(begin.saved(joined_processes()));
  rest.run();
  EXPECT_EQ(rest.weights(), whole.weights());

  SharedRun alone(GetParam(), single_process()), first(GetParam(), single_process(), GetParam().first_steps()),
      second(GetParam(), joined_processes());
  alone.run();
  first.run();
  second.restore(first.state());
  second.run();
  const auto before = static_cast<std::size_t>(GetParam().first_steps());
  for (std::size_t i = 0; i < second.recorder().steps.size(); ++i)
    EXPECT_NEAR(second.recorder().steps[i].loss, alone.recorder().steps[before + i].loss, 1e-6) << i;
}

INSTANTIATE_TEST_SUITE_P(
    All, SharedRuns,
    ::testing::Values(
        Case{.name = "Padded"}, Case{.name = "Packed", .packed = true},
        Case{.name = "Dropout", .packed = true, .dropout = 0.1f},
        Case{.name = "Weighted", .packed = true, .accumulation_steps = 2, .task = weighted_classes()},
        Case{.name = "Accumulated", .packed = true, .accumulation_steps = 3},
        Case{.name = "HalfCounts", .packed = true, .dropout = 0.1f, .task = one_class_counts()},
        Case{.name = "Tokens", .packed = true, .dropout = 0.1f, .batch_tokens = 90, .learning_rate = 1e-4},
        Case{.name = "FewTokens",  // often of fewer texts than processes
             .packed = true,
             .dropout = 0.1f,
             .accumulation_steps = 3,
             .batch_tokens = 30,
             .group_by_length = true,
             .learning_rate = 1e-4},
        Case{.name = "PaddedTokens", .task = weighted_classes(), .batch_tokens = 96, .learning_rate = 1e-4},
        Case{.name = "Sharded", .packed = true, .sharded = true, .large = true},
        Case{.name = "ShardedAverage", .packed = true, .accumulation_steps = 2, .sharded = true, .ema_decay = 0.9}),
    [](const auto& param) { return param.param.name; });

// What a run of this case has that must not depend on how its state is divided.
struct Outcome {
  std::vector<double> losses, norms, evaluations;
  std::vector<float> weights, result;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome outcome_of(SharedRun& run) {
  run.run();
  Outcome out{
      .losses = losses_of(run.recorder()), .norms = {}, .evaluations = {}, .weights = run.weights(), .result = {}};
  for (const StepRecord& step : run.recorder().steps) out.norms.push_back(step.grad_norm.value_or(-1));
  for (const EvaluationRecord& e : run.recorder().evaluations)
    for (const double value : {e.train_loss, e.validation_loss, e.measure->value}) out.evaluations.push_back(value);
  run.trainer().use_result();
  out.result = run.weights();
  return out;
}

class ShardedRuns : public ::testing::TestWithParam<Case> {
 protected:
  static Case with(bool sharded) {
    Case out = GetParam();
    out.sharded = sharded;
    return out;
  }
};

TEST_P(ShardedRuns, HaveTheBitsOfRunsWithWholeStates) {
  SharedRun sharded(with(true), joined_processes()), whole(with(false), joined_processes());
  EXPECT_TRUE(outcome_of(sharded) == outcome_of(whole));
}

TEST_P(ShardedRuns, HoldTheirShareOfTheState) {
  Communicator& all = joined_processes();
  const SharedRun sharded(with(true), all), whole(with(false), all);
  const std::size_t of_whole = whole.trainer().state_bytes(), copies = GetParam().ema_decay > 0 ? 3 : 2;
  std::size_t sum = 0;
  for (const std::string& bytes : all.gather(std::to_string(sharded.trainer().state_bytes())))
    sum += std::stoull(bytes);
  EXPECT_EQ(sum, of_whole);
  const std::size_t piece = copies * 4 * 16384;  // a rank has at most two more than another
  EXPECT_LE(sharded.trainer().state_bytes(), of_whole / static_cast<std::size_t>(all.world()) + 2 * piece);
}

void expect_equal(const RunState& a, const RunState& b) {
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    const RunState::Parameter &p = a.parameters[i], &q = b.parameters[i];
    for (const auto& [x, y] :
         {std::pair(&p.value, &q.value), {&p.m, &q.m}, {&p.v, &q.v}, {&p.average, &q.average}, {&p.best, &q.best}}) {
      ASSERT_EQ(x->defined(), y->defined()) << p.name;
      if (!x->defined()) continue;
      ASSERT_EQ(x->shape(), y->shape()) << p.name;
      EXPECT_EQ(std::memcmp(x->raw(), y->raw(), x->bytes()), 0) << p.name;
    }
  }
}

TEST_P(ShardedRuns, ResumeFromEachOtherToTheSameBits) {
  Communicator& all = joined_processes();
  SharedRun uninterrupted(with(false), all);
  uninterrupted.run();
  const std::int64_t steps = GetParam().first_steps();
  const RunState expected = uninterrupted.saved(all);
  for (const bool before : {false, true}) {
    SharedRun begin(with(before), all, steps), rest(with(!before), all);
    begin.run();
    rest.restore(begin.saved(all));
    rest.run();
    EXPECT_TRUE(rest.weights() == uninterrupted.weights()) << before;
    rest.trainer().use_result();  // what is saved stays the state before
    expect_equal(rest.saved(all), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ShardedRuns,
    ::testing::Values(Case{.name = "Plain", .large = true}, Case{.name = "Average", .ema_decay = 0.9, .large = true},
                      Case{.name = "Groups", .accumulation_steps = 2, .groups = true, .large = true},
                      Case{.name = "Frozen", .dropout = 0.1f, .frozen = true},
                      Case{.name = "Device", .packed = true, .device = Device::kCuda}),
    [](const auto& param) { return param.param.name; });

TEST(ShardedRun, OfOneProcessGoesOnInAnyNumber) {
  const Case sharded{.name = "", .sharded = true, .ema_decay = 0.9, .large = true};
  SharedRun alone(sharded, single_process()), first(sharded, single_process(), 6), rest(sharded, joined_processes());
  alone.run();
  first.run();
  rest.restore(first.state());
  rest.run();
  SharedRun shared(sharded, joined_processes(), 6), last(sharded, single_process());
  shared.run();
  last.restore(shared.saved(joined_processes()));
  last.run();
  for (std::size_t i = 0; i < rest.recorder().steps.size(); ++i) {
    EXPECT_NEAR(rest.recorder().steps[i].loss, alone.recorder().steps[6 + i].loss, 1e-6) << i;
    EXPECT_NEAR(last.recorder().steps[i].loss, alone.recorder().steps[6 + i].loss, 1e-6) << i;
  }
}

// A checkpoint needs no more memory than its largest tensor, on rank 0.
TEST(ShardedRun, SavesOneTensorAtATime) {
  Communicator& all = joined_processes();
  SharedRun run({.name = "", .sharded = true, .ema_decay = 0.9, .large = true}, all, 3);
  run.run();
  const std::size_t before = host_memory().in_use, largest = 2000 * 32 * sizeof(float);
  reset_host_memory_peak();
  const TempDir folder;
  run.trainer().save_state([&](const RunState& state) { write_run_state(folder / "state", state); });
  EXPECT_LE(host_memory().peak, before + largest * 9 / 8 + 64);
  EXPECT_EQ(host_memory().in_use, before);
}

// A disk that is full is no end of the run: the other processes go on with rank 0.
TEST(ShardedRun, GoesOnIfItsStateCannotBeSaved) {
  Communicator& all = joined_processes();
  SharedRun run({.name = "", .sharded = true}, all, 3), unsaved({.name = "", .sharded = true}, all, 3);
  unsaved.run();
  run.run();
  for (const bool in_a_tensor : {false, true}) {
    const std::string error = message_of([&] {
      run.trainer().save_state([&](const RunState& state) {
        if (in_a_tensor && !all.alone())
          state.parameters.front().divided.front().read([](auto) { throw Error("the disk is full"); });
        throw Error("the disk is full");
      });
    });
    EXPECT_EQ(error, all.rank() == 0 ? "the disk is full" : "");
  }
  EXPECT_TRUE(run.weights() == unsaved.weights());
  EXPECT_EQ(all.gather("still here").size(), static_cast<std::size_t>(all.world()));
}

TEST(SharedRun, OnADeviceHasTheNumbersOfOneProcess) {
  const Case device{.name = "Device", .packed = true, .dropout = 0.1f, .device = Device::kCuda};
  SharedRun shared(device, joined_processes()), alone(device, single_process());
  shared.run();
  alone.run();
  expect_near(shared.recorder(), alone.recorder());
}

// A model that is not worth saving on one rank is not saved by another.
TEST(SharedRun, LogitsThatAreNotFiniteOnOneRankAreAnErrorOfAll) {
  Communicator& all = joined_processes();
  SharedRun run({.name = ""}, all, 3);
  run.run();
  if (all.rank() == all.world() - 1) run.spoil();
  const auto expect_on_all = [&](const std::string& mine, const std::string& pattern) {
    EXPECT_NE(mine.find(pattern), std::string::npos) << mine;
    for (const std::string& other : all.gather(mine)) EXPECT_EQ(other, mine);
  };
  expect_on_all(message_of([&] { run.trainer().check(); }), "are not finite");
  expect_on_all(message_of([&] { run.evaluate(); }), "evaluation stopped: the logits of example ");
}

TEST(SharedRun, HasAnErrorOfOneRankWithItsStepAndTensor) {
  Communicator& all = joined_processes();
  try {
    check_on_all(all, [&] {
      if (all.rank() == all.world() - 1)
        throw NotFiniteError("two\nlines", 7, NotFinite{NotFinite::Kind::kGradient, "h.0"});
    });
    ADD_FAILURE() << "rank " << all.rank() << " goes on";
  } catch (const NotFiniteError& error) {
    EXPECT_STREQ(error.what(), "two\nlines");
    EXPECT_EQ(error.step(), 7);
    EXPECT_EQ(error.tensor()->kind, NotFinite::Kind::kGradient);
    EXPECT_EQ(error.tensor()->name, "h.0");
  }
}

// An error in backward: the others go on until they hear of it, and the sums need memory that still exists.
TEST(SharedRun, SumsThatWereStartedOutliveTheirGradients) {
  Communicator& all = joined_processes();
  const Parameter weight(Tensor::zeros({1 << 20}, DType::kFloat32), Parameter::Rounding::kNever);
  {
    GradientSums sums(all, {{"weight", weight}});
    const auto write = [&] {
      weight.grad().clear();
      sums.begin();
      weight.grad().add(Tensor::zeros({1 << 20}, DType::kFloat32));
      sums.look();
    };
    write();
    sums.finish();
    write();
    if (all.rank() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  all.gather({});
}

TEST(SharedRun, PredictsLessMemoryForItsPartOfABatchByTokens) {
  const Case of{
      .name = "", .packed = true, .device = Device::kCuda, .batch_tokens = 200, .late_tables = LateTables::kNone};
  SharedRun shared(of, joined_processes()), alone(of, single_process());
  const std::size_t whole = alone.trainer().predict_peak_memory(), part = shared.trainer().predict_peak_memory();
  const double share = static_cast<double>(part) / static_cast<double>(whole);
  EXPECT_TRUE(joined_processes().alone() ? std::abs(share - 1) < 0.01 : share < 0.99) << part << " of " << whole;
}

TEST(SharedRun, PredictsTheMemoryOfItsPartOfABatch) {
  const int world = joined_processes().world();
  Case of{.name = "", .packed = true, .device = Device::kCuda, .late_tables = LateTables::kNone};
  SharedRun shared(of, joined_processes());
  of.batch_size /= world;
  SharedRun alone(of, single_process());
  const auto of_part = static_cast<double>(alone.trainer().predict_peak_memory());
  EXPECT_NEAR(static_cast<double>(shared.trainer().predict_peak_memory()), of_part, of_part * 0.01);
}

// Labels of class 0 alone.
TEST(SharedRun, EndsLikeOneProcessIfNothingOfABatchCounts) {
  const auto task = make_task("single_label_classification", {.outputs = 2, .class_weights = {1, 0}});
  const Case none{.name = "", .batch_size = 24, .task = *task};
  const auto error = [&](Communicator& processes) {
    SharedRun run(none, processes, 0, 1);
    return message_of([&] { run.run(); });
  };
  const std::string alone = error(single_process());
  EXPECT_NE(alone.find("training stopped at step 0: the loss is nan"), std::string::npos) << alone;
  EXPECT_EQ(error(joined_processes()), alone);
}

TEST(SharedRun, RefusesABatchThatCannotBeSharedEqually) {
  const int world = joined_processes().world();
  if (world == 1) GTEST_SKIP() << "one process has every batch";
  EXPECT_EQ(message_of([] { SharedRun({.name = "", .batch_size = 7}, joined_processes()); }),
            str_cat("a batch of 7 texts cannot be shared equally by ", world, " processes"));
}

// Such a gradient would not be added, and every process would keep its own.
TEST(GradientSums, RefuseAGradientThatTheFirstPassDidNotHave) {
  const Parameter always(Tensor::zeros({2}, DType::kFloat32), Parameter::Rounding::kAllowed),
      later(Tensor::zeros({3}, DType::kFloat32), Parameter::Rounding::kAllowed);
  GradientSums sums(joined_processes(), {{"always", always}, {"later", later}});
  const auto pass = [&](bool both) {
    for (const Parameter& parameter : {always, later}) parameter.grad().clear();
    sums.begin();
    always.grad().add(Tensor::from(std::vector<float>{1, 2}, {2}));
    if (both) later.grad().add(Tensor::zeros({3}, DType::kFloat32));
    sums.look();
    sums.finish();
  };
  const auto world = static_cast<float>(joined_processes().world());
  for (int again = 0; again < 2; ++again) {
    pass(false);
    const auto sum = always.grad().tensor().values<float>();
    EXPECT_EQ(std::vector<float>(sum.begin(), sum.end()), (std::vector<float>{world, 2 * world}));
  }
  EXPECT_EQ(message_of([&] { pass(true); }),
            "the parameter later has a gradient, unlike at the first step of this process");
}

}  // namespace
}  // namespace attune::testing
