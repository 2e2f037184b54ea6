#include "models/linear/minimise.h"

#include <lbfgs.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>
#include <new>

#include "base/check.h"
#include "base/finite.h"
#include "models/linear/piecewise_sum.h"

namespace attune {
namespace {

constexpr double kHandOver = 1e-3;            // gradient at which Newton's method takes over
constexpr std::int64_t kMaxCgSteps = 2000;    // per Newton step
constexpr int kMaxHalvings = 33;              // of a step: its length is above 1e-10
constexpr double kSufficientDecrease = 1e-4;  // Armijo
constexpr double kRounding = 1e-15;           // of F, relative: smaller differences mean nothing

using Vector = std::vector<double>;

double largest(const double* v, std::int64_t n) {
  double most = 0;
  for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(v[i]));
  return most;
}

double dot(const Vector& a, const Vector& b) {
  return piecewise_sum(static_cast<std::int64_t>(a.size()),
                       [&](std::int64_t i) { return a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(i)]; });
}

// body(i) for every element.
template <class Body>
void for_each(const Vector& v, Body&& body) {
  parallel_for(static_cast<std::int64_t>(v.size()), kVectorGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) body(i);
  });
}

class Minimiser {
 public:
  Minimiser(LogisticObjective& objective, const MinimiseOptions& options) : objective_(objective), options_(options) {
    result_.point.assign(static_cast<std::size_t>(objective.size()), 0.0);
    gradient_.resize(result_.point.size());
    evaluate();
  }

  MinimiseResult run() {
    if (!done()) lbfgs_phase();
    while (!done()) newton_step();
    return std::move(result_);
  }

 private:
  void evaluate() {
    result_.objective = objective_.evaluate(result_.point.data(), gradient_.data());
    result_.gradient = largest(gradient_.data(), objective_.size());
  }

  // Whether to stop here, and why.
  bool done() {
    CHECK(std::isfinite(result_.objective) && !first_not_finite(std::span<const double>(gradient_)),
          "logistic regression stopped after ", result_.iterations, " iterations: the objective is ", result_.objective,
          std::isfinite(result_.objective) ? ", but its gradient is not finite" : "");
    if (ended_) return true;
    if (result_.gradient <= options_.tolerance) {
      result_.end = MinimiseEnd::kConverged;
    } else if (result_.iterations >= options_.max_iterations) {
      result_.end = MinimiseEnd::kIterations;
    } else {
      return false;
    }
    return true;
  }
  void end(MinimiseEnd why) {
    result_.end = why;
    ended_ = true;
  }
  bool report(double objective, double gradient) {
    ++result_.iterations;
    return !options_.progress || options_.progress({result_.iterations, objective, gradient});
  }

  void lbfgs_phase();
  void newton_step();
  Vector newton_direction();

  LogisticObjective& objective_;
  const MinimiseOptions& options_;
  MinimiseResult result_;
  Vector gradient_;
  bool ended_ = false;
};

// liblbfgs sees u with point = scale * u. Exceptions must not cross its C frames.
struct LbfgsCall {
  LogisticObjective& objective;
  Vector scale, point, gradient;
  std::function<bool(double objective, double gradient)> proceed;
  std::exception_ptr error;

  static double evaluate(void* self, const double* u, double* g, int, double) {
    auto& call = *static_cast<LbfgsCall*>(self);
    if (call.error) return std::nan("");
    try {
      for_each(call.point, [&](std::size_t i) { call.point[i] = call.scale[i] * u[i]; });
      const double value = call.objective.evaluate(call.point.data(), call.gradient.data());
      for_each(call.point, [&](std::size_t i) { g[i] = call.scale[i] * call.gradient[i]; });
      return value;
    } catch (...) {
      call.error = std::current_exception();
      return std::nan("");  // the line search fails, progress() ends the run
    }
  }
  static int progress(void* self, const double*, const double*, double value, double, double, double, int, int, int) {
    auto& call = *static_cast<LbfgsCall*>(self);
    try {
      if (call.error) return 1;
      // The point last evaluated is the one accepted.
      return call.proceed(value, largest(call.gradient.data(), static_cast<std::int64_t>(call.gradient.size()))) ? 0
                                                                                                                 : 1;
    } catch (...) {
      call.error = std::current_exception();
      return 1;
    }
  }
};

void Minimiser::lbfgs_phase() {
  const std::size_t n = result_.point.size();
  LbfgsCall call{objective_, Vector(n), Vector(n), Vector(n), {}, {}};
  objective_.hessian_diagonal(call.scale.data());
  for (double& s : call.scale) s = 1 / std::sqrt(s);
  const double hand_over = std::max(kHandOver, options_.tolerance);
  call.proceed = [&](double value, double gradient) {
    if (!report(value, gradient)) end(MinimiseEnd::kStopped);
    return !ended_ && gradient > hand_over && result_.iterations < options_.max_iterations;
  };

  CHECK(n <= 0x7fffffff, "logistic regression: too many coefficients: ", n);
  const std::unique_ptr<double, void (*)(double*)> u(lbfgs_malloc(static_cast<int>(n)), lbfgs_free);
  if (!u) throw std::bad_alloc();
  std::fill(u.get(), u.get() + n, 0.0);
  lbfgs_parameter_t parameters;
  lbfgs_parameter_init(&parameters);
  parameters.m = 5;
  parameters.epsilon = 1e-300;  // progress() decides
  // If progress() or a failed line search ends it, u is the best point so far.
  const int status =
      lbfgs(static_cast<int>(n), u.get(), nullptr, LbfgsCall::evaluate, LbfgsCall::progress, &call, &parameters);
  if (call.error) std::rethrow_exception(call.error);
  // Newton's method would reach the same optimum without it, but with other last bits.
  if (status == LBFGSERR_OUTOFMEMORY) throw std::bad_alloc();
  for_each(result_.point, [&](std::size_t i) { result_.point[i] = call.scale[i] * u.get()[i]; });
  evaluate();
}

// Solves H d = -gradient by preconditioned conjugate gradients, as precisely as the gradient deserves: to its square
// root's share for quadratic convergence, but no further than a third of the tolerance needs.
Vector Minimiser::newton_direction() {
  const std::size_t n = result_.point.size();
  Vector inverse_diagonal(n), direction(n, 0.0), residual(n), z(n), p(n), hp(n);
  objective_.hessian_diagonal(inverse_diagonal.data());
  for_each(p, [&](std::size_t i) {
    inverse_diagonal[i] = 1 / inverse_diagonal[i];
    residual[i] = -gradient_[i];
    p[i] = z[i] = inverse_diagonal[i] * residual[i];
  });
  double rz = dot(residual, z);
  const double share =
      std::max(std::min(0.5, std::sqrt(result_.gradient)), 0.3 * options_.tolerance / result_.gradient);
  const double enough = share * share * rz;
  for (std::int64_t step = 0; step < kMaxCgSteps && rz > enough; ++step) {
    objective_.hessian_product(p.data(), hp.data());
    const double curvature = dot(p, hp);
    if (!(curvature > 0)) break;  // only rounding is left
    const double alpha = rz / curvature;
    for_each(p, [&](std::size_t i) {
      direction[i] += alpha * p[i];
      residual[i] -= alpha * hp[i];
      z[i] = inverse_diagonal[i] * residual[i];
    });
    const double rz_next = dot(residual, z);
    const double beta = rz_next / rz;
    for_each(p, [&](std::size_t i) { p[i] = z[i] + beta * p[i]; });
    rz = rz_next;
  }
  return direction;
}

// One step with backtracking: F decreases enough or, if its differences are only rounding, the gradient does.
void Minimiser::newton_step() {
  const Vector direction = newton_direction();
  const Vector start = result_.point;
  const double objective = result_.objective, gradient = result_.gradient;
  const double slope = dot(gradient_, direction);
  for (int halvings = 0; halvings <= kMaxHalvings; ++halvings) {
    const double length = std::ldexp(1.0, -halvings);
    for_each(start, [&](std::size_t i) { result_.point[i] = start[i] + length * direction[i]; });
    evaluate();
    const bool falls = result_.objective <= objective + kSufficientDecrease * length * slope;
    const bool same = std::fabs(result_.objective - objective) <= kRounding * std::fabs(objective);
    if (same ? result_.gradient < gradient : falls) {
      if (!report(result_.objective, result_.gradient)) end(MinimiseEnd::kStopped);
      return;
    }
  }
  result_.point = start;
  evaluate();
  end(MinimiseEnd::kPrecision);
}

}  // namespace

MinimiseResult minimise(LogisticObjective& objective, const MinimiseOptions& options) {
  CHECK(options.tolerance > 0, "logistic regression: the tolerance must be positive, not ", options.tolerance);
  CHECK(options.max_iterations > 0, "logistic regression: max_iterations must be positive, not ",
        options.max_iterations);
  return Minimiser(objective, options).run();
}

}  // namespace attune
