// Runs on the CUDA device, a GPU or the simulator, that are left and gone on with, and the best model of a run.
#include <gtest/gtest.h>

#include "engine/tensor/context.h"
#include "tests/engine/train/resume_case.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

class DeviceResume : public OnDevice {};

// A run that is left and gone on with has other graphs and other steps outside of them, and no other bits.
TEST_F(DeviceResume, ResumedRunsAreUninterruptedOnes) {
  ResumeCase how{.device = Device::kCuda, .dtype = DType::kBFloat16, .packed = true, .options = eventful()};
  how.options.adamw.late_tables = LateTables::kAll;
  how.options.accumulation_steps = 2;
  how.options.ema_decay = 0.9;
  how.options.keep_best = "loss";
  expect_resumes(how, 3);
}

// The master and its rounding are those of the best evaluation, which is not the last.
TEST_F(DeviceResume, TheBestModelComesBack) {
  ResumeCase how{.device = Device::kCuda, .dtype = DType::kBFloat16, .packed = true, .options = eventful()};
  how.options.eval_every = 1;
  how.options.schedule.peak = 0.3;
  how.options.keep_best = "loss";
  Life life(how);
  life.trainer().run(life.recorder, never);
  const BestValue best = life.trainer().best_model()->best().value();
  ASSERT_LT(best.step, life.trainer().total_steps() - 1);
  ending(life);
}

// The same after every batch, and in other kinds of runs. Slow on the simulator.
TEST_F(DeviceResume, ResumedRunsAreUninterruptedOnesInEveryKindOfRun) {
  ResumeCase how{.device = Device::kCuda, .packed = true, .options = eventful()};
  expect_resumes(how);
  how.packed = how.graphs = false;
  expect_resumes(how, 2);
  how = {.device = Device::kCuda, .dtype = DType::kBFloat16, .packed = true, .options = eventful()};
  expect_resumes(how);
  how.options.adamw.late_tables = LateTables::kAll;
  expect_resumes(how);
  how.options.accumulation_steps = 2;
  expect_resumes(how);
  set_tensor_float32(true);
  expect_resumes({.device = Device::kCuda, .packed = true, .options = eventful()}, 2);
  set_tensor_float32(false);
}

}  // namespace
}  // namespace attune::testing
