// The curves of a run: restored ones go on as if nothing had happened, and what is no history is refused.
#include "apps/support/run_history.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/check.h"

namespace attune {
namespace {

double wave(std::int64_t step) {
  return std::sin(static_cast<double>(step) * 0.7) / static_cast<double>(step + 1);
}

void expect_equal(const ThinnedCurve& a, const ThinnedCurve& b) {
  ASSERT_EQ(a.width(), b.width());
  ASSERT_EQ(a.buckets().size(), b.buckets().size());
  for (std::size_t i = 0; i < a.buckets().size(); ++i) {
    const ThinnedCurve::Bucket &x = a.buckets()[i], &y = b.buckets()[i];
    EXPECT_EQ(x.index, y.index);
    EXPECT_EQ(x.count, y.count);
    EXPECT_EQ(x.sum, y.sum);
    EXPECT_EQ(x.min.step, y.min.step);
    EXPECT_EQ(x.min.value, y.min.value);
    EXPECT_EQ(x.max.step, y.max.step);
    EXPECT_EQ(x.max.value, y.max.value);
  }
}

// A run that is interrupted after any number of steps.
TEST(RunHistories, GoOnWhereTheyWere) {
  const auto record = [](std::int64_t step) {
    return StepRecord{.step = step,
                      .epoch = 1,
                      .loss = wave(step),
                      .learning_rate = 1e-3 / static_cast<double>(step + 1),
                      .grad_norm = step % 4 == 3 ? std::optional(wave(step) + 2) : std::nullopt,
                      .tokens_per_second = 1};
  };
  RunHistory whole;
  const auto add = [&](RunHistory& to, std::int64_t step) {
    to.add(record(step));
    if (step % 3 == 0)
      to.add(
          EvaluationRecord{.step = step, .epoch = 1, .train_loss = wave(step + 1), .validation_loss = wave(step + 2)});
  };
  for (std::int64_t step = 0; step < 1500; ++step) add(whole, step);
  for (const std::int64_t left : {0, 1, 255, 256, 257, 1000, 1499}) {
    RunHistory before, after;
    for (std::int64_t step = 0; step < left; ++step) add(before, step);
    after.restore(before.text());
    EXPECT_EQ(after.text(), before.text());
    for (std::int64_t step = left; step < 1500; ++step) add(after, step);
    EXPECT_EQ(after.text(), whole.text()) << left;
    expect_equal(after.curves().loss, whole.curves().loss);
    expect_equal(after.curves().validation_loss, whole.curves().validation_loss);
  }
}

TEST(RunHistories, RefuseWhatIsNone) {
  RunHistory history;
  history.restore("");
  EXPECT_TRUE(history.curves().loss.buckets().empty());
  EXPECT_THROW(history.restore("{}"), Error);
  EXPECT_THROW(history.restore("x"), Error);
  history.add(
      StepRecord{.step = 0, .epoch = 1, .loss = 1, .learning_rate = 1, .grad_norm = {}, .tokens_per_second = 1});
  std::string text = history.text();
  text.replace(text.find("[[0,"), 4, "[[1,");  // a bucket that its step is not in
  EXPECT_THROW(history.restore(text), Error);
}

}  // namespace
}  // namespace attune
