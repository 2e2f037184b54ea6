// Every backward of the table against numerical derivatives in float64 of  L = sum over outputs y of dy . y:  fourth-order
// central differences along random directions, and along single elements.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/kernels/harness.h"

namespace attune::testing {
namespace {

using namespace kernels;

constexpr int kElements = 12, kDirections = 2;  // per input

double loss(const OpCase& op, const Values& inputs) {
  const Values outputs = run(op, cpu_backend(), inputs, {.dtype = DType::kFloat64, .backward = false});
  double sum = 0;
  for (const Output& output : op.outputs) {
    if (!output.differentiable) continue;
    const std::vector<double>& y = outputs.at(output.name);
    const std::vector<double>& dy = inputs.at("d" + output.name);
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
  }
  return sum;
}

double derivative(const OpCase& op, const Values& inputs, const std::string& name,
                  const std::vector<double>& direction) {
  const auto at = [&](double t) {
    Values moved = inputs;
    for (std::size_t i = 0; i < direction.size(); ++i) moved[name][i] += t * direction[i];
    return loss(op, moved);
  };
  constexpr double h = kGradientStep;
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

class Gradient : public ::testing::TestWithParam<OpCase> {};

TEST_P(Gradient, AgreesWithDifferences) {
  const OpCase& op = GetParam();
  const Values inputs = random_inputs(op);
  const Values analytic = run(op, cpu_backend(), inputs, {.dtype = DType::kFloat64});
  std::mt19937 engine(3);
  for (const FloatInput& input : op.inputs) {
    if (!input.differentiable) continue;
    const std::vector<double>& gradient = analytic.at("grad " + input.name);
    double squares = 0;
    for (double g : gradient) squares += g * g;
    const double rms = std::sqrt(squares / static_cast<double>(gradient.size()));
    const auto check = [&](const std::vector<double>& direction, double scale, const std::string& what) {
      double expected = 0;
      for (std::size_t i = 0; i < gradient.size(); ++i) expected += gradient[i] * direction[i];
      const double measured = derivative(op, inputs, input.name, direction);
      EXPECT_NEAR(measured, expected, kGradientRelative * std::max(std::fabs(expected), scale))
          << op.name() << ": gradient of " << input.name << " along " << what;
    };
    std::vector<double> direction(gradient.size());
    for (int k = 0; k < kDirections; ++k) {
      // Length of a typical element, so that no step leaves the neighbourhood where the op is smooth.
      for (double& d : direction) d = (engine() & 1) != 0 ? 1 : -1;
      check(direction, rms * std::sqrt(static_cast<double>(gradient.size())), "a random direction");
    }
    for (int k = 0; k < kElements; ++k) {
      const std::size_t i = engine() % gradient.size();
      std::fill(direction.begin(), direction.end(), 0.0);
      direction[i] = 1;
      check(direction, rms, "element " + std::to_string(i));
    }
  }
}

std::vector<OpCase> differentiable_cases() {
  std::vector<OpCase> out;
  for (OpCase& op : test_cases())
    if (op.backward != nullptr) out.push_back(std::move(op));
  return out;
}

INSTANTIATE_TEST_SUITE_P(Table, Gradient, ::testing::ValuesIn(differentiable_cases()), case_name);

}  // namespace
}  // namespace attune::testing
