// AdamW over parameters, clipping, and the learning-rate schedules.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "engine/optim/adamw.h"
#include "engine/optim/lr_schedule.h"
#include "kernels/adamw.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Values = std::vector<double>;

NamedParameter parameter(const std::string& name, const Values& values) {
  return {name,
          Parameter(Tensor::from(values, {static_cast<std::int64_t>(values.size())}), Parameter::Rounding::kNever)};
}
void add_gradient(const NamedParameter& p, const Values& values) {
  p.parameter.grad().add(Tensor::from(values, {static_cast<std::int64_t>(values.size())}));
}
double value(const NamedParameter& p, std::size_t i = 0) {
  return p.parameter.value().values<double>()[i];
}

TEST(AdamW, TheReferencesTwoSteps) {
  // theta = 1, g = 0.5, learning rate 5e-5, decay 0.1, in double arithmetic: torch.optim.AdamW.
  const NamedParameter theta = parameter("theta", {1});
  AdamWOptimizer optimizer({theta}, {.weight_decay = 0.1});
  for (const double expected : {0.999945000001, 0.9998900002769999}) {
    add_gradient(theta, {0.5});
    optimizer.step(5e-5);
    optimizer.zero_grad();
    EXPECT_NEAR(value(theta), expected, 1e-15);
  }
}

TEST(AdamW, TheFormulaOverManySteps) {
  const AdamWOptions options{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.3, .max_grad_norm = 1.2};
  const NamedParameter theta = parameter("theta", {1, -2, 0});
  AdamWOptimizer optimizer({theta}, options);
  Values x = {1, -2, 0}, m(3), v(3);
  int clipped = 0;
  for (int t = 1; t <= 20; ++t) {
    const double rate = 0.01 * t;
    Values g;
    for (std::size_t i = 0; i < 3; ++i) g.push_back(std::sin(t + 2.0 * static_cast<double>(i)));
    const double norm = std::hypot(g[0], g[1], g[2]), scale = norm > 1.2 ? 1.2 / (norm + 1e-6) : 1;
    clipped += scale < 1 ? 1 : 0;
    add_gradient(theta, g);
    optimizer.step(rate);
    optimizer.zero_grad();
    for (std::size_t i = 0; i < 3; ++i) {
      x[i] *= 1 - rate * options.weight_decay;
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g[i] * scale;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g[i] * g[i] * scale * scale;
      const double root = std::sqrt(v[i]) / std::sqrt(1 - std::pow(options.beta2, t));
      x[i] -= rate / (1 - std::pow(options.beta1, t)) * m[i] / (root + options.eps);
      EXPECT_NEAR(value(theta, i), x[i], 1e-13) << "step " << t << ", element " << i;
    }
  }
  EXPECT_GT(clipped, 0);
  EXPECT_LT(clipped, 20);
}

// Each group has the bits of an optimizer of its own with that learning rate and decay.
TEST(AdamW, GroupsHaveTheirOwnLearningRateAndDecay) {
  const std::map<std::string, AdamWGroup> groups = {{"slow", {.learning_rate_scale = 0.25, .decays = true}},
                                                    {"bias", {.learning_rate_scale = 1, .decays = false}},
                                                    {"slow bias", {.learning_rate_scale = 0.25, .decays = false}},
                                                    {"plain", {}}};
  AdamWOptions options{.weight_decay = 0.3};
  options.group_of = [&](const std::string& name) { return groups.at(name); };
  std::vector<NamedParameter> together;
  for (const auto& [name, group] : groups) together.push_back(parameter(name, {1, -2}));
  AdamWOptimizer optimizer(together, options);
  for (std::size_t i = 0; const auto& [name, group] : groups) {
    const NamedParameter alone = parameter(name, {1, -2});
    AdamWOptimizer own({alone}, {.weight_decay = group.decays ? 0.3 : 0});
    const NamedParameter& shared = together[i++];
    for (int t = 1; t <= 3; ++t) {
      add_gradient(alone, {0.5, 0.1 * t});
      own.step(0.01 * t * group.learning_rate_scale);
      own.zero_grad();
    }
    for (int t = 1; t <= 3 && i == 1; ++t) {  // all of them, once
      for (const NamedParameter& each : together)
        if (t != 2 || each.name != "slow") add_gradient(each, {0.5, 0.1 * t});
      optimizer.step(0.01 * t);
      optimizer.zero_grad();
    }
    if (name == "slow") continue;  // it has missed a step
    for (const std::size_t k : {0, 1}) EXPECT_EQ(value(shared, k), value(alone, k)) << name;
  }
  const NamedParameter alone = parameter("slow", {1, -2});
  AdamWOptimizer own({alone}, {.weight_decay = 0.3});
  for (const int t : {1, 3}) {
    add_gradient(alone, {0.5, 0.1 * t});
    own.step(0.01 * t * 0.25);
    own.zero_grad();
  }
  for (const std::size_t k : {0, 1}) EXPECT_EQ(value(together[2], k), value(alone, k));  // the third by name
}

TEST(AdamW, AParameterWithoutGradientIsSkippedAltogether) {
  const NamedParameter early = parameter("early", {1}), late = parameter("late", {1});
  AdamWOptimizer optimizer({early, late}, {});
  add_gradient(early, {0.5});
  optimizer.step(5e-5);
  const double after_one = value(early);
  EXPECT_NE(after_one, 1);
  EXPECT_EQ(value(late), 1);  // no decay either
  optimizer.zero_grad();
  add_gradient(early, {0.5});
  add_gradient(late, {0.5});
  optimizer.step(5e-5);
  EXPECT_EQ(value(late), after_one);  // its own first step
  EXPECT_NEAR(value(early), 0.9998900002769999, 1e-15);
}

TEST(AdamW, AZeroGradientStillDecays) {
  const NamedParameter theta = parameter("theta", {2});
  AdamWOptimizer optimizer({theta}, {.weight_decay = 0.1});
  add_gradient(theta, {0});
  optimizer.step(0.5);
  EXPECT_NEAR(value(theta), 2 * (1 - 0.05), 1e-15);
}

TEST(AdamW, TheNormIsThatOfAllGradients) {
  const NamedParameter a = parameter("a", {1, 1}), b = parameter("b", {1}), c = parameter("c", {1});
  AdamWOptimizer optimizer({a, b, c}, {});
  add_gradient(a, {2, -3});
  add_gradient(b, {6});
  optimizer.step(0);
  EXPECT_NEAR(optimizer.norm().item(), 7, 1e-14);
  optimizer.zero_grad();
  EXPECT_FALSE(a.parameter.grad().tensor().defined());
  optimizer.step(0);
  EXPECT_EQ(optimizer.norm().item(), 0);
  add_gradient(c, {std::numeric_limits<double>::quiet_NaN()});
  optimizer.step(0);
  EXPECT_TRUE(std::isnan(optimizer.norm().item()));
  EXPECT_EQ(value(c), 1);  // nothing was applied
  optimizer.zero_grad();
  add_gradient(c, {2});
  optimizer.step(0.5);
  EXPECT_EQ(optimizer.norm().item(), 2);
  EXPECT_EQ(value(c), 1) << "nor is anything later";
}

// The second parameter has missed a step when the state is taken.
TEST(AdamW, GoesOnFromItsState) {
  const auto steps = [](AdamWOptimizer& optimizer, const NamedParameter& a, const NamedParameter& b, int from, int to) {
    for (int i = from; i < to; ++i) {
      add_gradient(a, {0.5 + i, -1});
      if (i != 1) add_gradient(b, {0.25 - i});
      optimizer.step(1e-2);
      optimizer.zero_grad();
    }
  };
  const NamedParameter a = parameter("a", {1, 2}), b = parameter("b", {3});
  AdamWOptimizer whole({a, b}, {});
  steps(whole, a, b, 0, 3);
  const NamedParameter c = parameter("a", {value(a), value(a, 1)}), d = parameter("b", {value(b)});
  AdamWOptimizer resumed({c, d}, {});
  resumed.restore(whole.state());
  EXPECT_EQ(resumed.state().moments[1].missed, 1);
  EXPECT_FALSE(resumed.capturable());
  steps(whole, a, b, 3, 6);
  steps(resumed, c, d, 3, 6);
  EXPECT_EQ(value(c), value(a));
  EXPECT_EQ(value(c, 1), value(a, 1));
  EXPECT_EQ(value(d), value(b));

  AdamWOptimizer one({c}, {}), other({c, parameter("z", {1})}, {});
  EXPECT_EQ(message_of([&] { one.restore(whole.state()); }),
            "the optimizer's state is of 2 parameters, but 1 are trained");
  EXPECT_EQ(message_of([&] { other.restore(whole.state()); }),
            "the optimizer's state is of the parameter b, where z is trained");
}

TEST(AdamW, SomethingMustBeTrainable) {
  EXPECT_NE(message_of([] { AdamWOptimizer({}, {}); }).find("trainable"), std::string::npos);
}

TEST(Clipping, ScalesDownToTheLargestNorm) {
  EXPECT_EQ(kernels::clip_scale(0.5, 1), 1);
  EXPECT_DOUBLE_EQ(kernels::clip_scale(4, 1), 1 / (4 + 1e-6));
  EXPECT_DOUBLE_EQ(kernels::clip_scale(1, 1), 1 / (1 + 1e-6));
  EXPECT_EQ(kernels::clip_scale(0, 1), 1);
  EXPECT_EQ(kernels::clip_scale(1e9, 0), 1);
  EXPECT_EQ(kernels::clip_scale(1e9, -1), 1);
  EXPECT_TRUE(std::isnan(kernels::clip_scale(std::numeric_limits<double>::infinity(), 0)));
  EXPECT_TRUE(std::isnan(kernels::clip_scale(std::numeric_limits<double>::quiet_NaN(), 1)));
}

TEST(Schedules, Shapes) {
  using Kind = LrSchedule::Kind;
  const auto at = [](Kind kind, std::int64_t warmup, std::int64_t step) {
    return LrSchedule{.kind = kind, .peak = 8, .warmup_steps = warmup, .total_steps = 12}.at(step);
  };
  for (const Kind kind : {Kind::kConstant, Kind::kLinear, Kind::kCosine}) {
    EXPECT_EQ(at(kind, 0, 0), 8);
    for (std::int64_t step = 0; step < 4; ++step)
      EXPECT_DOUBLE_EQ(at(kind, 4, step), 2.0 * static_cast<double>(step + 1));
    EXPECT_EQ(at(kind, 4, 4), 8);
  }
  EXPECT_EQ(at(Kind::kConstant, 4, 1000), 8);
  EXPECT_DOUBLE_EQ(at(Kind::kLinear, 4, 6), 6);
  EXPECT_DOUBLE_EQ(at(Kind::kLinear, 4, 11), 1);
  EXPECT_DOUBLE_EQ(at(Kind::kCosine, 4, 6), 4 * (1 + std::sqrt(0.5)));
  EXPECT_DOUBLE_EQ(at(Kind::kCosine, 4, 8), 4);
  for (const std::int64_t step : {12, 13, 1000}) {
    EXPECT_EQ(at(Kind::kLinear, 4, step), 0);
    EXPECT_NEAR(at(Kind::kCosine, 4, step), 0, 1e-15);
  }
}

TEST(Schedules, CosinesRestartFromThePeak) {
  const LrSchedule one{.kind = LrSchedule::Kind::kCosine, .peak = 8, .total_steps = 4};
  const LrSchedule three{
      .kind = LrSchedule::Kind::kCosineRestarts, .peak = 8, .warmup_steps = 2, .cycles = 3, .total_steps = 14};
  EXPECT_EQ(three.at(0), 4);
  for (std::int64_t step = 0; step < 12; ++step) EXPECT_NEAR(three.at(2 + step), one.at(step % 4), 1e-14) << step;
  for (const std::int64_t step : {14, 15, 1000}) EXPECT_EQ(three.at(step), 0);
}

TEST(Schedules, EveryCosineBeginsAtThePeak) {
  LrSchedule schedule{.kind = LrSchedule::Kind::kCosineRestarts, .peak = 8};
  for (const std::int64_t length : {1, 2, 7, 25})
    for (std::int64_t cycles = 1; cycles < 60; ++cycles) {
      schedule.cycles = cycles;
      schedule.total_steps = length * cycles;
      for (std::int64_t step = 0; step < schedule.total_steps; step += length)
        EXPECT_EQ(schedule.at(step), 8) << cycles << " cosines of " << length << " steps, at " << step;
    }
}

TEST(Schedules, TheInverseRootGoesOnWithoutAnEnd) {
  LrSchedule schedule{.kind = LrSchedule::Kind::kInverseSqrt, .peak = 8, .warmup_steps = 4, .total_steps = 12};
  EXPECT_EQ(schedule.at(1), 4);
  EXPECT_EQ(schedule.at(4), 8);
  EXPECT_DOUBLE_EQ(schedule.at(16), 4);
  EXPECT_DOUBLE_EQ(schedule.at(64), 2);
  schedule.warmup_steps = 0;
  EXPECT_EQ(schedule.at(0), 8);
  EXPECT_DOUBLE_EQ(schedule.at(30'000), 4);
}

TEST(Schedules, AWarmUpThatIsAShareOfTheRun) {
  const LrSchedule schedule = LrSchedule{.kind = LrSchedule::Kind::kLinear, .peak = 8, .warmup_ratio = 0.3}.over(11);
  EXPECT_EQ(schedule.total_steps, 11);
  EXPECT_EQ(schedule.warmup_steps, 4);  // rounded up
  EXPECT_EQ(schedule.at(1), 4);
  EXPECT_EQ((LrSchedule{.warmup_steps = 5}.over(11).warmup_steps), 5);
}

TEST(Schedules, AWarmUpAsLongAsTheRun) {
  const LrSchedule schedule{.kind = LrSchedule::Kind::kLinear, .peak = 1, .warmup_steps = 3, .total_steps = 3};
  EXPECT_EQ(schedule.at(2), 1);
  EXPECT_EQ(schedule.at(4), 0);
}

TEST(Schedules, Names) {
  const std::vector<std::string> names = {"constant", "linear", "cosine", "cosine_restarts", "inverse_sqrt"};
  EXPECT_EQ(lr_schedule_names(), names);
  EXPECT_EQ(lr_schedule_kind("cosine"), LrSchedule::Kind::kCosine);
  const std::string message = message_of([] { (void)lr_schedule_kind("Linear"); });
  for (const std::string& name : names) EXPECT_NE(message.find(name), std::string::npos) << message;
}

}  // namespace
}  // namespace attune::testing
