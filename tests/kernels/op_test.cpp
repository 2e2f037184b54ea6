// What holds for every case of the table on the CPU: float32 agrees with float64, gradients accumulate or are left out as
// asked, alignment does not matter, and the number of threads does not change a bit.
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "tests/kernels/harness.h"

namespace attune::testing {
namespace {

using namespace kernels;

class Op : public ::testing::TestWithParam<OpCase> {
 protected:
  Values run_with(const RunOptions& options) { return run(op, cpu_backend(), inputs, options); }

  const OpCase& op = GetParam();
  const Values inputs = random_inputs(op);
};

TEST_P(Op, FloatAgreesWithDouble) {
  const Values reference = run_with({.dtype = DType::kFloat64});
  expect_all_close(op, run_with({.dtype = DType::kFloat32}), reference, DType::kFloat32);
}

TEST_P(Op, UnalignedBuffers) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64})
    expect_all_close(op, run_with({.dtype = dtype, .unaligned = true}), run_with({.dtype = dtype}), dtype);
}

TEST_P(Op, GradientsAccumulate) {
  if (op.backward == nullptr || !op.grads_accumulate) return;
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    Values expected = run_with({.dtype = dtype});
    for (auto& [name, values] : expected)
      if (name.starts_with("grad "))
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += prior_gradient(static_cast<std::int64_t>(i));
    expect_all_close(op, run_with({.dtype = dtype, .mode = GradMode::kAccumulate}), expected, dtype);
  }
}

TEST_P(Op, UnwantedGradientsChangeNothing) {
  if (op.backward == nullptr || !op.grads_accumulate) return;
  const Values all = run_with({.dtype = DType::kFloat32});
  for (const FloatInput& input : op.inputs) {
    const Values others = run_with({.dtype = DType::kFloat32, .unwanted = input.name});
    for (const auto& [name, values] : others)
      EXPECT_EQ(values, all.at(name)) << op.name() << ": " << name << " without " << input.name;
    EXPECT_FALSE(others.contains("grad " + input.name));
  }
}

TEST_P(Op, ThreadsChangeNoBit) {
  const int before = num_threads();
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    set_num_threads(1);
    const Values one = run_with({.dtype = dtype});
    for (int threads : {2, 3}) {
      set_num_threads(threads);
      EXPECT_EQ(run_with({.dtype = dtype}), one) << op.name() << " with " << threads << " threads";
    }
  }
  set_num_threads(before);
}

// The step in memory stands for the step in the call, in every op that draws masks.
TEST_P(Op, StepInMemory) {
  if (op.mask_step < 0) return;
  for (DType dtype : {DType::kFloat32, DType::kFloat64})
    EXPECT_EQ(run_with({.dtype = dtype, .further = {{"step_at", {op.mask_step}}}}), run_with({.dtype = dtype}))
        << op.name();
}

INSTANTIATE_TEST_SUITE_P(Table, Op, ::testing::ValuesIn(test_cases()), case_name);

}  // namespace
}  // namespace attune::testing
