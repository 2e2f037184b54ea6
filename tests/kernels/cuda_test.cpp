// What holds for every case of the table on the CUDA backend, a GPU or the simulator: float32 and bfloat16 agree with
// the CPU's float64, whatever the alignment and the gradient mode, and the order in which threads run does not change a
// bit.
#include <gtest/gtest.h>

#include "kernels/cuda/device_info.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/harness.h"

namespace attune::testing {
namespace {

using namespace kernels;

class CudaOp : public ::testing::TestWithParam<OpCase> {
 protected:
  void SetUp() override {
    if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }
  Values inputs(DType dtype) const { return rounded_inputs(op, random_inputs(op), dtype); }
  Values reference(DType dtype) const { return run(op, cpu_backend(), inputs(dtype), {.dtype = DType::kFloat64}); }
  Values run_with(const RunOptions& options) {
    static CudaBackend backend;
    return run(op, backend, inputs(options.dtype), options);
  }

  const OpCase& op = GetParam();
};

constexpr DType kTypes[] = {DType::kFloat32, DType::kBFloat16};

TEST_P(CudaOp, AgreesWithTheCpuUnderEverySchedule) {
  for (DType dtype : kTypes) {
    cuda::set_schedule_seed(1);
    const Values first = run_with({.dtype = dtype});
    expect_all_close(op, first, reference(dtype), dtype);
    for (std::uint64_t seed : {2, 3}) {
      cuda::set_schedule_seed(seed);
      EXPECT_EQ(run_with({.dtype = dtype}), first) << op.name() << " in " << dtype << " under schedule " << seed;
    }
  }
}

TEST_P(CudaOp, UnalignedBuffers) {
  for (DType dtype : kTypes)
    expect_all_close(op, run_with({.dtype = dtype, .unaligned = true}), reference(dtype), dtype);
}

TEST_P(CudaOp, GradientsAccumulate) {
  if (op.backward == nullptr || !op.grads_accumulate) return;
  for (DType dtype : kTypes) {
    Values expected = reference(dtype);
    for (auto& [name, values] : expected)
      if (name.starts_with("grad "))
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += prior_gradient(static_cast<std::int64_t>(i));
    expect_all_close(op, run_with({.dtype = dtype, .mode = GradMode::kAccumulate}), expected, dtype);
  }
}

TEST_P(CudaOp, UnwantedGradientsChangeNothing) {
  if (op.backward == nullptr || !op.grads_accumulate) return;
  const Values all = run_with({.dtype = DType::kFloat32});
  for (const FloatInput& input : op.inputs) {
    const Values others = run_with({.dtype = DType::kFloat32, .unwanted = input.name});
    for (const auto& [name, values] : others)
      EXPECT_EQ(values, all.at(name)) << op.name() << ": " << name << " without " << input.name;
    EXPECT_FALSE(others.contains("grad " + input.name));
  }
}

// The step in memory stands for the step in the call, in every op that draws masks.
TEST_P(CudaOp, StepInMemory) {
  if (op.mask_step < 0) return;
  for (DType dtype : kTypes)
    EXPECT_EQ(run_with({.dtype = dtype, .further = {{"step_at", {op.mask_step}}}}), run_with({.dtype = dtype}))
        << op.name();
}

INSTANTIATE_TEST_SUITE_P(Table, CudaOp, ::testing::ValuesIn(test_cases()), case_name);

}  // namespace
}  // namespace attune::testing
