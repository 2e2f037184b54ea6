// Runs whose optimizer's state is divided over the processes have the bits of those in which each has all of it.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "engine/tensor/storage.h"
#include "tests/engine/train/shared_run.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

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

class ShardedRuns : public ::testing::TestWithParam<SharedCase> {
 protected:
  static SharedCase with(bool sharded) {
    SharedCase out = GetParam();
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
    ::testing::Values(SharedCase{.name = "Plain", .large = true},
                      SharedCase{.name = "Average", .ema_decay = 0.9, .large = true},
                      SharedCase{.name = "Groups", .accumulation_steps = 2, .groups = true, .large = true},
                      SharedCase{.name = "Frozen", .dropout = 0.1f, .frozen = true},
                      SharedCase{.name = "Device", .packed = true, .device = Device::kCuda}),
    [](const auto& param) { return param.param.name; });

TEST(ShardedRun, OfOneProcessGoesOnInAnyNumber) {
  const SharedCase sharded{.name = "", .sharded = true, .ema_decay = 0.9, .large = true};
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
  EXPECT_LE(host_memory().peak, before + largest);
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

}  // namespace
}  // namespace attune::testing
