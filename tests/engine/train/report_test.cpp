// What a run tells, and how a model is judged.
#include "engine/train/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/autograd/tape.h"
#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;

// Standard output while it lives.
class Captured {
 public:
  Captured() : before_(std::cout.rdbuf(text_.rdbuf())) {}
  ~Captured() { std::cout.rdbuf(before_); }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

// Everything a report can be told, once or twice.
void tell(TrainReport& report) {
  report.begin(2);
  report.step(
      {.step = 0, .epoch = 1, .loss = 0.1, .learning_rate = 5e-5, .grad_norm = 1.0 / 3, .tokens_per_second = 1234.5});
  report.step({.step = 1,
               .epoch = 1,
               .loss = std::numeric_limits<double>::infinity(),
               .learning_rate = 5e-5,
               .grad_norm = {},
               .tokens_per_second = 1});
  report.evaluation({.step = 50, .epoch = 2, .train_loss = 0.70049, .validation_loss = 1.0 / 7});
  report.epoch({.epoch = 2, .train_accuracy = 0.98754, .validation_accuracy = 2.0 / 3});
  report.accuracy("Test", "test", {.loss = 0.25, .correct = 2, .examples = 3});
}

TEST(Reports, TheLogHoldsEveryDocumentedKey) {
  const TempDir dir;
  {
    const Captured captured;
    TrainReport report(dir / "log.jsonl");
    tell(report);
  }
  std::istringstream lines(read_file(dir / "log.jsonl"));
  std::vector<Json> log;
  for (std::string line; std::getline(lines, line);) log.push_back(Json::parse(line));
  EXPECT_EQ(
      log,
      (std::vector<Json>{
          {{"step", 0}, {"loss", 0.1}, {"learning_rate", 5e-5}, {"grad_norm", 1.0 / 3}, {"tokens_per_second", 1234.5}},
          {{"step", 1}, {"loss", nullptr}, {"learning_rate", 5e-5}, {"grad_norm", nullptr}, {"tokens_per_second", 1.0}},
          {{"step", 50}, {"train_loss", 0.70049}, {"val_loss", 1.0 / 7}},
          {{"epoch", 2}, {"train_accuracy", 0.98754}, {"val_accuracy", 2.0 / 3}},
          {{"split", "test"}, {"accuracy", 2.0 / 3}, {"loss", 0.25}}}));
}

TEST(Reports, LinesInTheReferencesWording) {
  const Captured captured;
  TrainReport report("");
  tell(report);
  EXPECT_EQ(captured.text(),
            "Ep 2 (Step 000050): Train loss 0.700, Val loss 0.143\n"
            "Training accuracy: 98.75% | Validation accuracy: 66.67%\n"
            "Test accuracy: 66.67%\n");
}

TEST(Reports, ALogThatCannotBeWritten) {
  const TempDir dir;
  EXPECT_THROW(TrainReport(dir / "missing/log.jsonl"), IoError);
}

TEST(Reports, ALogThatFailsLaterIsToldOnceAndEndsNothing) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const Captured captured;
  ::testing::internal::CaptureStderr();
  TrainReport report("/dev/full");
  tell(report);
  tell(report);
  EXPECT_EQ(
      ::testing::internal::GetCapturedStderr(),
      "warning: /dev/full: the log file cannot be written: No space left on device; the run goes on without it\n");
  EXPECT_NE(captured.text().find("Test accuracy"), std::string::npos);
}

TEST(Reports, Durations) {
  EXPECT_EQ(format_duration(65), "1:05");
  EXPECT_EQ(format_duration(7384), "2:03:04");
  EXPECT_EQ(format_duration(0), "0:00");
}

// Five examples in batches of two; the logits of example [i] are row i of a table.
class Evaluations : public ::testing::Test {
 protected:
  Evaluation run(std::int64_t max_batches, const std::function<bool(std::int64_t, std::int64_t)>& progress = {}) const {
    TorchGenerator generator(1);
    const LoaderPass pass(generator, examples_.size(), {.batch_size = 2});
    const ExampleStore store(examples_.ids, examples_.labels, {}, Device::kCpu);
    return Evaluator(
               [this](const TokenBatch& batch, const ForwardPass& forward) {
                 EXPECT_FALSE(forward.training);
                 EXPECT_EQ(Tape::current(), nullptr);
                 std::vector<double> logits;
                 for (const std::int32_t id : batch.ids.values<std::int32_t>())
                   logits.insert(logits.end(), {kLogits[id][0], id == damaged_ ? damage_ : kLogits[id][1]});
                 return Variable(Tensor::from(logits, {batch.count(), 2}), true);
               },
               store, true)
        .run(pass, max_batches, progress);
  }
  double loss(std::size_t example) const {
    const double* z = kLogits[example];
    return std::log(std::exp(z[0]) + std::exp(z[1])) - z[examples_.labels[example]];
  }

  int damaged_ = -1;  // the example with this as one of its logits
  double damage_ = 0;
  static constexpr double kLogits[5][2] = {{0, 1}, {2, 2}, {2, 2}, {-1, -3}, {0.5, 0.25}};
  Dataset examples_{.name = "x", .ids = {{0}, {1}, {2}, {3}, {4}}, .labels = {1, 0, 1, 0, 1}};
};

TEST_F(Evaluations, MeansOverBatchesAndTheFirstOfEqualLogits) {
  Tape tape;
  const Tape::Recording recording(tape);
  const Evaluation all = run(-1);
  EXPECT_EQ(all.examples, 5);
  EXPECT_EQ(all.correct, 3);  // 0, 1 (a tie, class 0) and 3
  EXPECT_NEAR(all.loss, ((loss(0) + loss(1)) / 2 + (loss(2) + loss(3)) / 2 + loss(4)) / 3, 1e-14);
  EXPECT_EQ(all.accuracy(), 0.6);
  EXPECT_EQ(tape.size(), 0u);
}

TEST_F(Evaluations, TheFirstBatchesOnly) {
  const Evaluation first = run(1);
  EXPECT_EQ(first.examples, 2);
  EXPECT_NEAR(first.loss, (loss(0) + loss(1)) / 2, 1e-14);
  EXPECT_EQ(run(100).examples, 5);
  EXPECT_EQ(run(0).accuracy(), 0);
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
