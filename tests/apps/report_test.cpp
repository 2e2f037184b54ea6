// The lines, the log and the durations that a training run prints.
#include "apps/support/report.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

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

const Task& single_label() {
  static const std::unique_ptr<Task> task = make_task("single_label_classification", {});
  return *task;
}

// One call of everything a report prints.
void print_all(TrainReport& report) {
  report.begin(0, 2);
  report.step(
      {.step = 0, .epoch = 1, .loss = 0.1, .learning_rate = 5e-5, .grad_norm = 1.0 / 3, .tokens_per_second = 1234.5});
  report.step({.step = 1,
               .epoch = 1,
               .loss = std::numeric_limits<double>::infinity(),
               .learning_rate = 5e-5,
               .grad_norm = {},
               .tokens_per_second = 1});
  report.evaluation({.step = 50, .epoch = 2, .train_loss = 0.70049, .validation_loss = 1.0 / 7});
  report.epoch({.epoch = 2,
                .train = {.examples = 80, .measures = {{"accuracy", 0.98754}}},
                .validation = {.examples = 3, .measures = {{"accuracy", 2.0 / 3}}}});
  report.split("Test", "test", {.loss = 0.25, .examples = 3, .measures = {{"accuracy", 2.0 / 3}}});
}

TEST(Reports, TheLogHoldsEveryDocumentedKey) {
  const TempDir dir;
  {
    const Captured captured;
    TrainReport report(dir / "log.jsonl", single_label());
    print_all(report);
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

TEST(Reports, TheLogEndsWithWhyARunStopped) {
  const TempDir dir;
  {
    const Captured captured;
    TrainReport report(dir / "log.jsonl", single_label());
    report.stopped(NotFiniteError("why", 7, NotFinite{NotFinite::Kind::kWeight, "score.weight"}));
    report.stopped(NotFiniteError("why", std::nullopt, std::nullopt));
  }
  std::istringstream lines(read_file(dir / "log.jsonl"));
  std::vector<Json> log;
  for (std::string line; std::getline(lines, line);) log.push_back(Json::parse(line));
  EXPECT_EQ(log, (std::vector<Json>{
                     {{"stopped_at_step", 7}, {"kind", "weight"}, {"tensor", "score.weight"}, {"error", "why"}},
                     {{"stopped_at_step", nullptr}, {"kind", nullptr}, {"tensor", nullptr}, {"error", "why"}}}));
}

TEST(Reports, LinesInTheReferencesWording) {
  const Captured captured;
  TrainReport report("", single_label());
  print_all(report);
  EXPECT_EQ(captured.text(),
            "Ep 2 (Step 000050): Train loss 0.700, Val loss 0.143\n"
            "Training accuracy: 98.75% | Validation accuracy: 66.67%\n"
            "Test accuracy: 66.67%\n");
}

TEST(Reports, ALogGoesOnWhereItsRunDoes) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl";
  const Captured captured;
  std::optional<std::int64_t> offset;
  {
    TrainReport report(path, single_label());
    EXPECT_EQ(report.log_offset(), 0);
    report.evaluation({.step = 1, .epoch = 1, .train_loss = 1, .validation_loss = 1});
    offset = report.log_offset();
    report.evaluation({.step = 2, .epoch = 1, .train_loss = 2, .validation_loss = 2});
  }
  const std::string whole = read_file(path);
  {
    TrainReport report(path, single_label(), offset);
    EXPECT_EQ(report.log_offset(), offset);
    EXPECT_EQ(read_file(path), whole.substr(0, static_cast<std::size_t>(*offset)));
    report.evaluation({.step = 2, .epoch = 1, .train_loss = 2, .validation_loss = 2});
  }
  EXPECT_EQ(read_file(path), whole);
  for (const std::int64_t bad : {*offset + 1, std::ssize(whole) + 1, std::int64_t{-1}})
    EXPECT_TRUE(message_of([&] {
                  TrainReport(path, single_label(), bad);
                }).starts_with(path + ": is not the log that the checkpoint"));
  EXPECT_EQ(read_file(path), whole);
  EXPECT_EQ(TrainReport("", single_label()).log_offset(), std::nullopt);
  EXPECT_EQ(TrainReport(dir / "new.jsonl", single_label(), offset).log_offset(), 0);  // it was elsewhere before
}

TEST(Reports, ALogThatCannotBeWritten) {
  const TempDir dir;
  EXPECT_THROW(TrainReport(dir / "missing/log.jsonl", single_label()), IoError);
}

TEST(Reports, ALogThatFailsLaterIsReportedOnceAndEndsNothing) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  const Captured captured;
  ::testing::internal::CaptureStderr();
  TrainReport report("/dev/full", single_label());
  print_all(report);
  print_all(report);
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

}  // namespace
}  // namespace attune::testing
