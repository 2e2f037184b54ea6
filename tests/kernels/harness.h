// Runs a case of the op table on a backend, in memory that gives away whoever writes where it should not.
//
// Every buffer lies between canaries; outputs and written gradients start as NaN; afterwards the canaries and the inputs must
// be untouched and no NaN may be left. Violations are GoogleTest failures naming the case and the buffer.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/kernels/op_case.h"

namespace attune::testing {

/// Values of buffers by name: "x", "dy", "y"; the gradient of input x is "grad x".
using Values = std::map<std::string, std::vector<double>>;

/// Random values, exact in float32, for the inputs of a case and for the upstream gradients "d" + output.
Values random_inputs(const OpCase& op, std::uint32_t seed = 1);

/// The inputs as elements of `dtype` hold them.
Values rounded_inputs(const OpCase& op, const Values& inputs, DType dtype);

struct RunOptions {
  DType dtype = DType::kFloat64;
  bool backward = true;
  bool unaligned = false;                              // every buffer begins one element past an aligned address
  kernels::GradMode mode = kernels::GradMode::kWrite;  // kAccumulate: onto prior_gradient()
  std::string unwanted = {};                           // input whose gradient nobody wants
  std::vector<IntInput> further = {};  // buffers that the case does not name, but its functions look for
};

/// What gradient buffers hold before a run that accumulates.
double prior_gradient(std::int64_t i);

/// Outputs, and gradients if wanted and the case has a backward.
Values run(const OpCase& op, Backend& backend, const Values& inputs, const RunOptions& options);

/// Expects `values` to match `reference` within the tolerance for elements of `dtype`; reports the worst element otherwise.
void expect_close(const std::string& what, const std::vector<double>& values, const std::vector<double>& reference,
                  Tolerance tolerance, DType dtype);

/// expect_close on everything the reference holds.
void expect_all_close(const OpCase& op, const Values& values, const Values& reference, DType dtype);

/// How GoogleTest names and prints a case.
std::string case_name(const ::testing::TestParamInfo<OpCase>& info);
void PrintTo(const OpCase& op, std::ostream* out);

}  // namespace attune::testing
