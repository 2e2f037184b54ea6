// Finds the optimum of the logistic objective to the last digits, without an early stop.
//
// Two phases on one objective. L-BFGS (liblbfgs; Nocedal 1980, Liu and Nocedal 1989; memory 5, More-Thuente line
// search) goes from zero to a gradient of 1e-3. Even at 1e-4, where scikit-learn stops, the weights are still 1 to 2 %
// from the optimum, since F is nearly flat along rare words (curvature 1/(C n)), and closer in L-BFGS slows down: 100
// evaluations for 1e-4, 450 for 1e-8, and then rounding errors of F stop its line search. Newton's method needs no
// differences of F: a few steps, each solved by conjugate gradients with Hessian products (Nocedal and Wright,
// Numerical Optimization, 7.1), finish at any tolerance down to rounding. Newton's method alone is a little slower: far
// from the optimum its local model of F is not accurate. The tolerance at which the second phase starts matters little:
// on IMDb 1e-4 costs 20 % and 1e-2 25 % more than 1e-3.
//
// Both phases run in variables scaled by the diagonal of the Hessian (L-BFGS: at the start; CG: its preconditioner, at
// each step). A column's curvature is its squared counts, and "the" has 10^5 times that of a rare word: scaling saves
// five in six of the products (2212 -> 428 for CG from zero to 1e-15, 583 -> 98 iterations for L-BFGS to 1e-4, on
// IMDb).
//
// Every sum is cut by the data alone, so the solution has the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/linear/logistic_objective.h"

namespace attune {

struct MinimiseProgress {
  std::int64_t iteration;  // L-BFGS iterations and Newton steps together
  double objective;
  double gradient;  // largest component, absolute
};

struct MinimiseOptions {
  double tolerance = 1e-8;             // stop when no component of the gradient is larger
  std::int64_t max_iterations = 1000;  // of L-BFGS, and Newton steps after it, together
  /// Called after every iteration; false stops at the current point.
  std::function<bool(const MinimiseProgress&)> progress;
};

enum class MinimiseEnd {
  kConverged,   // the gradient is within the tolerance
  kPrecision,   // no step lowers the gradient any more: the limit of double precision
  kIterations,  // max_iterations were not enough
  kStopped      // by progress()
};

struct MinimiseResult {
  std::vector<double> point;
  double objective = 0, gradient = 0;  // gradient: largest component, absolute
  std::int64_t iterations = 0;
  MinimiseEnd end = MinimiseEnd::kConverged;
};

/// Minimises from zero. Throws Error if the objective or its gradient is not finite where it stands.
MinimiseResult minimise(LogisticObjective& objective, const MinimiseOptions& options);

}  // namespace attune
