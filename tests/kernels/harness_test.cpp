// The harness itself: it reports a kernel that leaves a part of its output unwritten, writes outside of a buffer, or changes
// an input, and nothing else.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/kernels/harness.h"

namespace attune::testing {
namespace {

constexpr std::int64_t kCount = 8;

// y = 2 x, but for what `fault` does afterwards.
OpCase doubling(void (*fault)(double* y, double* x)) {
  OpCase op{.op = "doubling", .label = "8", .tolerance = kExact};
  op.inputs = {{.name = "x", .n = kCount}};
  op.outputs = {{"y", kCount}};
  op.forward = [fault](const Call& c) {
    auto* y = static_cast<double*>(c["y"]);
    auto* x = static_cast<double*>(c["x"]);
    for (std::int64_t i = 0; i < kCount; ++i) y[i] = 2 * x[i];
    fault(y, x);
  };
  return op;
}

void run_with(void (*fault)(double* y, double* x)) {
  const OpCase op = doubling(fault);
  run(op, cpu_backend(), random_inputs(op), {.dtype = DType::kFloat64, .backward = false});
}

TEST(Harness, PassesAKernelWithoutFault) {
  run_with([](double*, double*) {});
}

TEST(Harness, FindsAnElementThatIsNotWritten) {
  EXPECT_NONFATAL_FAILURE(run_with([](double* y, double*) { y[5] = std::numeric_limits<double>::quiet_NaN(); }), "y");
}

TEST(Harness, FindsWritesOutside) {
  EXPECT_NONFATAL_FAILURE(run_with([](double* y, double*) { y[kCount] = 1; }), "written outside of y");
  EXPECT_NONFATAL_FAILURE(run_with([](double* y, double*) { y[-1] = 1; }), "written outside of y");
}

TEST(Harness, FindsAChangedInput) {
  EXPECT_NONFATAL_FAILURE(run_with([](double*, double* x) { x[2] += 1; }), "x");
}

}  // namespace
}  // namespace attune::testing
