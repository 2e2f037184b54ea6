// A run that several processes share has the numbers of one process with whole batches. Under mpirun with 2 to 4
// processes (CMakeLists.txt); every process also runs alone, to compare.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>
#include <thread>
#include <vector>

#include "kernels/cuda/device_info.h"
#include "tests/engine/train/shared_run.h"
#include "tests/support/message_of.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

TEST(SharedRun, TokenTablesThatChangeLateHaveTheBitsOfOthers) {
  SharedRun late({.name = "", .packed = true}, joined_processes()),
      other({.name = "", .packed = true, .late_tables = LateTables::kNone}, joined_processes());
  EXPECT_TRUE(late.has_late_rows());
  EXPECT_FALSE(other.has_late_rows());
  late.run();
  other.run();
  EXPECT_EQ(late.weights(), other.weights());
}

class SharedRuns : public ::testing::TestWithParam<SharedCase> {};

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
        SharedCase{.name = "Padded"}, SharedCase{.name = "Packed", .packed = true},
        SharedCase{.name = "Dropout", .packed = true, .dropout = 0.1f},
        SharedCase{.name = "Weighted", .packed = true, .accumulation_steps = 2, .task = weighted_classes()},
        SharedCase{.name = "Accumulated", .packed = true, .accumulation_steps = 3},
        SharedCase{.name = "HalfCounts", .packed = true, .dropout = 0.1f, .task = one_class_counts()},
        SharedCase{.name = "Tokens", .packed = true, .dropout = 0.1f, .batch_tokens = 90, .learning_rate = 1e-4},
        SharedCase{.name = "FewTokens",  // often of fewer texts than processes
                   .packed = true,
                   .dropout = 0.1f,
                   .accumulation_steps = 3,
                   .batch_tokens = 30,
                   .group_by_length = true,
                   .learning_rate = 1e-4},
        SharedCase{.name = "PaddedTokens", .task = weighted_classes(), .batch_tokens = 96, .learning_rate = 1e-4},
        SharedCase{.name = "Sharded", .packed = true, .sharded = true, .large = true},
        SharedCase{
            .name = "ShardedAverage", .packed = true, .accumulation_steps = 2, .sharded = true, .ema_decay = 0.9}),
    [](const auto& param) { return param.param.name; });

TEST(SharedRun, OnADeviceHasTheNumbersOfOneProcess) {
  const SharedCase device{.name = "Device", .packed = true, .dropout = 0.1f, .device = Device::kCuda};
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

// A part of a batch has as many tokens as its share, or a text (24) more.
TEST(SharedRun, PredictsTheMemoryOfItsPartOfABatchByTokens) {
  SharedCase of{
      .name = "", .packed = true, .device = Device::kCuda, .batch_tokens = 240, .late_tables = LateTables::kNone};
  Communicator& all = joined_processes();
  SharedRun shared(of, all);  // all three live at once: the memory of others counts
  of.batch_tokens /= all.world();
  SharedRun share(of, single_process());
  of.batch_tokens += 24;
  SharedRun more(of, single_process());
  const auto predicted = [](SharedRun& run) { return static_cast<double>(run.trainer().predict_peak_memory()); };
  const double part = predicted(shared), least = predicted(share), most = predicted(more);
  if (all.world() > 1 && on_gpu())
    GTEST_SKIP() << "these processes share a GPU, and each prediction has the memory of the others";
  EXPECT_GT(part, least * 0.99);
  EXPECT_LT(part, most * 1.01);
}

TEST(SharedRun, PredictsTheMemoryOfItsPartOfABatch) {
  const int world = joined_processes().world();
  SharedCase of{.name = "", .packed = true, .device = Device::kCuda, .late_tables = LateTables::kNone};
  SharedRun shared(of, joined_processes());
  of.batch_size /= world;
  SharedRun alone(of, single_process());
  const auto of_part = static_cast<double>(alone.trainer().predict_peak_memory());
  EXPECT_NEAR(static_cast<double>(shared.trainer().predict_peak_memory()), of_part, of_part * 0.01);
}

// Labels of the class whose weight is 0 alone: the loss is 0, and the run goes on.
TEST(SharedRun, GoesOnLikeOneProcessIfNothingOfABatchCounts) {
  const auto task = make_task("single_label_classification", {.outputs = 2, .class_weights = {1, 0}});
  for (const bool by_tokens : {false, true}) {
    const SharedCase none{.name = "",
                          .accumulation_steps = by_tokens ? 2 : 1,
                          .batch_size = 24,
                          .task = *task,
                          .batch_tokens = by_tokens ? 240 : 0};
    SharedRun shared(none, joined_processes(), 4, 1), alone(none, single_process(), 4, 1);
    shared.run();
    alone.run();
    expect_near(shared.recorder(), alone.recorder());
  }
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
