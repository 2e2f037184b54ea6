// How a model is judged.
#include "engine/train/evaluator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "engine/autograd/tape.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

// Five examples in batches of two; the logits of example [i] are row i of a table.
class Evaluations : public ::testing::Test {
 protected:
  Evaluation run(std::int64_t max_batches, const std::function<bool(std::int64_t, std::int64_t)>& progress = {}) const {
    TorchGenerator generator(1);
    return run(LoaderPass(generator, examples_.size(), {.batch_size = 2}), max_batches, progress);
  }
  Evaluation run(const LoaderPass& pass, std::int64_t max_batches = -1,
                 const std::function<bool(std::int64_t, std::int64_t)>& progress = {}) const {
    const ExampleStore store(examples_, {}, Device::kCpu);
    return Evaluator(
               [this](const TokenBatch& batch, const ForwardPass& forward) {
                 EXPECT_FALSE(forward.training);
                 EXPECT_EQ(Tape::current(), nullptr);
                 std::vector<double> logits;
                 for (const std::int32_t id : batch.ids.values<std::int32_t>())
                   logits.insert(logits.end(), {kLogits[id][0], id == damaged_ ? damage_ : kLogits[id][1]});
                 return Variable(Tensor::from(logits, {batch.count(), 2}), true);
               },
               two_classes(), store, true)
        .run(pass, max_batches, progress);
  }
  double loss(std::size_t example) const {
    const double* z = kLogits[example];
    return std::log(std::exp(z[0]) + std::exp(z[1])) - z[examples_.labels.values<std::int32_t>()[example]];
  }

  int damaged_ = -1;  // the example with this as one of its logits
  double damage_ = 0;
  static constexpr double kLogits[5][2] = {{0, 1}, {2, 2}, {2, 2}, {-1, -3}, {0.5, 0.25}};
  Dataset examples_ =
      Dataset::from("x", {{0}, {1}, {2}, {3}, {4}}, Tensor::from(std::vector<std::int32_t>{1, 0, 1, 0, 1}, {5}));
};

TEST_F(Evaluations, MeansOverBatchesAndTheFirstOfEqualLogits) {
  Tape tape;
  const Tape::Recording recording(tape);
  const Evaluation all = run(-1);
  EXPECT_EQ(all.examples, 5);
  EXPECT_NEAR(all.loss, ((loss(0) + loss(1)) / 2 + (loss(2) + loss(3)) / 2 + loss(4)) / 3, 1e-14);
  EXPECT_EQ(all.measure("accuracy"), 0.6);  // 0, 1 (a tie, class 0) and 3
  EXPECT_EQ(tape.size(), 0u);
}

TEST_F(Evaluations, TheFirstBatchesOnly) {
  const Evaluation first = run(1);
  EXPECT_EQ(first.examples, 2);
  EXPECT_NEAR(first.loss, (loss(0) + loss(1)) / 2, 1e-14);
  EXPECT_EQ(run(100).examples, 5);
  EXPECT_EQ(run(0).measure("accuracy"), 0);
}

TEST_F(Evaluations, HaveTheLogitsAndLabelsThatTheyMeasure) {
  TorchGenerator generator(3);
  const LoaderPass pass(generator, examples_.size(), {.batch_size = 2, .shuffle = true});
  const Evaluation all = run(pass);
  EXPECT_EQ(std::set(all.rows.begin(), all.rows.end()), (std::set<std::int32_t>{0, 1, 2, 3, 4}));
  EXPECT_FALSE(std::ranges::is_sorted(all.rows)) << "the pass is not shuffled, and shows nothing";
  for (std::size_t i = 0; i < all.rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(all.rows[i]);
    for (std::size_t k = 0; k < 2; ++k) EXPECT_EQ(all.logits.values<double>()[2 * i + k], kLogits[row][k]);
    EXPECT_EQ(all.labels.values<std::int32_t>()[i], examples_.labels.values<std::int32_t>()[row]);
  }
}

TEST_F(Evaluations, ProgressMayEndThem) {
  std::vector<std::int64_t> seen;
  const Evaluation stopped = run(-1, [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 3);
    seen.push_back(done);
    return done < 2;
  });
  EXPECT_EQ(seen, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(stopped.examples, 4);
  EXPECT_NEAR(stopped.loss, ((loss(0) + loss(1)) / 2 + (loss(2) + loss(3)) / 2) / 2, 1e-14);
}

TEST_F(Evaluations, LogitsThatAreNotFiniteAreNoResult) {
  for (const double damage : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity()}) {
    damage_ = damage;
    for (damaged_ = 0; damaged_ < 5; ++damaged_)
      EXPECT_EQ(message_of([&] { run(-1); }), "evaluation stopped: the logits of example " + std::to_string(damaged_) +
                                                  " (counted from 0) are not finite");
    damaged_ = 4;
    EXPECT_NO_THROW(run(2)) << "it is not among the first four";
  }
}

}  // namespace
}  // namespace attune::testing
