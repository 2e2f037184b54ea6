// The lines, the log and the durations that a training run prints.
#include "apps/support/report.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "engine/io/files.h"
#include "tests/apps/printed.h"
#include "tests/support/data.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;

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

// A terminal as standard error while it lives.
class Terminal {
 public:
  Terminal() : before_(dup(STDERR_FILENO)) {
    int slave = -1;
    EXPECT_EQ(openpty(&master_, &slave, nullptr, nullptr, nullptr), 0) << std::strerror(errno);
    dup2(slave, STDERR_FILENO);
    close(slave);
  }
  ~Terminal() {
    if (master_ >= 0) (void)text();
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  /// What it showed; it is one no more.
  std::string text() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    std::string out;
    char block[256];
    for (ssize_t n = 0; (n = read(master_, block, sizeof(block))) > 0;) out.append(block, static_cast<std::size_t>(n));
    close(std::exchange(master_, -1));
    return out;
  }

 private:
  int before_, master_ = -1;
};

TEST(TrainReport, ShowsARunInOneLineOnATerminal) {
  Terminal terminal;
  {
    TrainReport report("", single_label());
    report.show_memory_of(Device::kCpu);
    report.show_share_of(5000);
    report.begin(0, 2);
    report.step(
        {.step = 0, .epoch = 1, .loss = 0.1, .learning_rate = 5e-5, .grad_norm = {}, .tokens_per_second = 1234.5});
  }
  const std::string shown = terminal.text();
  EXPECT_NE(
      shown.find("Training [############............] 1/2, 0:00 left, loss 0.100, 1234 tokens/s, 24.7% of peak, "),
      std::string::npos)
      << shown;
  EXPECT_NE(shown.find(" MiB"), std::string::npos) << shown;
}

// Published check values of CRC-32C (RFC 3720, B.4).
TEST(EventFiles, HaveTheChecksumOfTheStandard) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
}

// The number in `count` bytes from `at` on, little-endian.
std::uint64_t number_at(const std::string& bytes, std::size_t at, int count) {
  std::uint64_t out = 0;
  for (int i = 0; i < count; ++i)
    out |= std::uint64_t{static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i)))} << (8 * i);
  return out;
}

// The data of every record of the one event file of a folder, whose checksums must hold.
std::vector<std::string> records_of(const std::filesystem::path& folder) {
  const std::vector<std::string> names = files_of(folder.string());
  EXPECT_EQ(names.size(), 1);
  EXPECT_TRUE(names.at(0).starts_with("events.out.tfevents.")) << names.at(0);
  const std::string bytes = read_file((folder / names.at(0)).string());
  const auto masked = [](const std::string& data) { return std::rotr(crc32c(data), 15) + 0xA282EAD8U; };
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto size = static_cast<std::size_t>(number_at(bytes, at, 8));
    EXPECT_EQ(number_at(bytes, at + 8, 4), masked(bytes.substr(at, 8)));
    out.push_back(bytes.substr(at + 12, size));
    EXPECT_EQ(number_at(bytes, at + 12 + size, 4), masked(out.back()));
    at += size + 16;
  }
  return out;
}

TEST(EventFiles, HoldTheNumbersOfARun) {
  const TempDir dir;
  {
    const Captured captured;
    TrainReport report("", single_label());
    report.write_events(dir / "events");
    print_all(report);
  }
  const std::vector<std::string> records = records_of(dir.path() / "events");
  ASSERT_EQ(records.size(), 6);  // the version, two steps, an evaluation, an epoch, a split
  EXPECT_NE(records[0].find("brain.Event:2"), std::string::npos);
  // Of the second step: 8 bytes of time after their key, the step, and the summary, whose loss is infinite.
  const std::string& second = records[2];
  EXPECT_EQ(second[0], 1 << 3 | 1);
  EXPECT_EQ(second.substr(9, 2), std::string("\x10\x01"));
  const std::string loss = std::string("\x0A\x0Atrain/loss\x15", 13) + std::string("\x00\x00\x80\x7F", 4);
  EXPECT_NE(second.find(loss), std::string::npos);
  EXPECT_EQ(second.find("train/grad_norm"), std::string::npos);  // there is none
  EXPECT_NE(records[1].find("train/grad_norm"), std::string::npos);
  EXPECT_NE(records[3].find("evaluation/validation_loss"), std::string::npos);
  EXPECT_NE(records[4].find("epoch/validation_accuracy"), std::string::npos);
  EXPECT_NE(records[5].find("final/test_accuracy"), std::string::npos);
}

TEST(EventFiles, OfARunThatContinuesTakeLaterStepsBack) {
  const TempDir dir;
  {
    const Captured captured;
    TrainReport report("", single_label());
    report.write_events(dir / "events");
    report.begin(300, 400);
    report.split("Test", "test", {.loss = 0.25, .examples = 3, .measures = {{"accuracy", 2.0 / 3}}});
    report.clear_progress();
  }
  const std::vector<std::string> records = records_of(dir.path() / "events");
  ASSERT_EQ(records.size(), 3);
  EXPECT_EQ(records[1].substr(9), std::string("\x10\xAC\x02\x3A\x02\x08\x01"));  // step 300, a session that starts
  EXPECT_EQ(records[2].substr(9, 3), std::string("\x10\xAB\x02"));  // 299, the last step of the run that it continues
  TrainReport refused("", single_label());
  write_file(dir / "file", "");
  refused.write_events(dir / "file");
  EXPECT_THROW(refused.begin(0, 1), IoError);
}

// The lines of a log, the first without the version that it must have.
std::vector<Json> log_of(const TempDir& dir) {
  std::istringstream lines(read_file(dir / "log.jsonl"));
  std::vector<Json> log;
  for (std::string line; std::getline(lines, line);) {
    log.push_back(Json::parse(line));
    EXPECT_EQ(log.back().erase("attune_log"), log.size() == 1 ? 1 : 0) << line;
  }
  return log;
}

TEST(Reports, TheLogHoldsEveryDocumentedKey) {
  const TempDir dir;
  {
    const Captured captured;
    TrainReport report(dir / "log.jsonl", single_label());
    print_all(report);
  }
  EXPECT_EQ(
      log_of(dir),
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
  EXPECT_EQ(
      log_of(dir),
      (std::vector<Json>{{{"stopped_at_step", 7}, {"kind", "weight"}, {"tensor", "score.weight"}, {"error", "why"}},
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
