// --log_file: which files a log replaces, and where it goes on.
#include "apps/support/log_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "apps/support/report.h"
#include "engine/io/files.h"
#include "engine/io/sha256.h"
#include "tests/apps/printed.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

// One line of a log.
void log_step(TrainReport& report, std::int64_t step) {
  report.step({.step = step, .epoch = 1, .loss = 1, .learning_rate = 1, .grad_norm = 1, .tokens_per_second = 1});
}

TEST(LogFiles, ALogGoesOnWhereItsRunDoes) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl";
  const Captured captured;
  ReportState state;
  {
    TrainReport report(path, single_label());
    EXPECT_EQ(report.state().log->bytes, 0);
    report.begin(0, 3);
    log_step(report, 0);
    state = report.state();
    log_step(report, 1);
  }
  const std::string whole = read_file(path);
  {
    TrainReport report(path, single_label(), state);
    EXPECT_EQ(report.state().log->bytes, state.log->bytes);
    EXPECT_EQ(report.state().log->digest, state.log->digest);
    EXPECT_EQ(read_file(path), whole.substr(0, static_cast<std::size_t>(state.log->bytes)));
    report.begin(1, 3);
    log_step(report, 1);
  }
  EXPECT_EQ(read_file(path), whole);
  const std::string other = "{\"step\": 7" + whole.substr(9);  // as long, its lines end in the same places
  write_file(path, other);
  EXPECT_TRUE(message_of([&] {
                TrainReport(path, single_label(), state);
              }).starts_with(path + ": is not the log that the checkpoint was made with: the SHA-256 of its first "));
  EXPECT_EQ(read_file(path), other);
  EXPECT_EQ(TrainReport("", single_label()).state().log.has_value(), false);
  EXPECT_EQ(TrainReport(dir / "new.jsonl", single_label(), state).state().log->bytes, 0);  // it was elsewhere before
}

TEST(LogFiles, ALogThatHasLostItsEndGoesOnAndTheRunSaysWhatIsMissing) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl";
  const Captured captured;
  ReportState state;
  {
    TrainReport report(path, single_label());
    report.begin(0, 9);
    for (std::int64_t step = 0; step < 5; ++step) log_step(report, step);
    state = report.state();
  }
  const std::string whole = read_file(path);
  const auto two = static_cast<std::size_t>(whole.find("{\"step\":2"));
  for (const bool known : {true, false}) {  // whether the checkpoint had a log
    write_file(path, whole.substr(0, two + 5));
    TrainReport report(path, single_label(), known ? state : ReportState{});
    EXPECT_EQ(read_file(path), whole.substr(0, two));
    ::testing::internal::CaptureStderr();
    report.begin(5, 9);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(),
              "warning: " + path + ": the lines of the steps 2 to 4 are missing\n");
  }
}

TEST(LogFiles, AFullDiskLeavesWholeLinesOfALog) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl";
  const Captured captured;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto signal_before = std::signal(SIGXFSZ, SIG_IGN);
  ::testing::internal::CaptureStderr();
  ReportState state;
  {
    TrainReport report(path, single_label());
    report.begin(0, 99);
    for (std::int64_t step = 0; step < 9; ++step) log_step(report, step);  // longer than the warning
    state = report.state();
    const rlimit limit{.rlim_cur = static_cast<rlim_t>(state.log->bytes) + 5, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    for (const std::int64_t step : {9, 10}) log_step(report, step);
    EXPECT_EQ(report.state().log->bytes, state.log->bytes);
    EXPECT_EQ(report.state().log->digest, state.log->digest);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, signal_before);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "warning: " + path + ": the log file cannot be written: File too large; the run goes on without it\n");
  EXPECT_EQ(std::ssize(read_file(path)), state.log->bytes);
}

TEST(LogFiles, ALogDoesNotReplaceAFileOfTheUser) {
  const TempDir dir;
  const std::string path = dir / "notes.jsonl", text = "{\"step\": 0, \"loss\": 1}\n{\"step\": 1, \"loss\": 1}\n";
  const Captured captured;
  write_file(path, text);
  const std::int64_t line_end = std::ssize(text) / 2;
  const LogState end_of_line{line_end, sha256_hex(text.substr(0, 3))}, empty{0, sha256_hex("")}, longer{1000, "ab"};
  for (const std::optional<LogState>& log : {std::optional<LogState>(), {end_of_line}, {empty}, {longer}})
    EXPECT_NE(message_of([&] { TrainReport(path, single_label(), ReportState{log, ""}); }), "");
  EXPECT_EQ(message_of([&] { TrainReport(path, single_label()); }),
            "--log_file " + path + ": attune did not write this file; name another one");
  EXPECT_EQ(read_file(path), text);
  // An earlier log is replaced, as a model is.
  {
    TrainReport report(path + "2", single_label());
    report.begin(0, 1);
    log_step(report, 0);
  }
  EXPECT_EQ(TrainReport(path + "2", single_label()).state().log->bytes, 0);
  EXPECT_EQ(read_file(path + "2"), "");
}

// The log of a run that goes on begins with any line.
TEST(LogFiles, ALogIsKnownByEachOfItsLines) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl";
  const Captured captured;
  const auto expect_log = [&](const Task& task, const std::function<void(TrainReport & report)>& line) {
    std::filesystem::remove(path);
    {
      TrainReport report(path, task);
      report.begin(5, 9);
      line(report);
      ASSERT_GT(report.state().log->bytes, 0);
    }
    EXPECT_EQ(message_of([&] { TrainReport(path, task); }), "");
  };
  const auto evaluation = [](std::optional<Measure> measure) {
    return EvaluationRecord{
        .step = 4, .epoch = 1, .train_loss = 1, .validation_loss = 1, .measure = std::move(measure)};
  };
  expect_log(single_label(), [&](TrainReport& report) { report.evaluation(evaluation({})); });
  expect_log(single_label(), [&](TrainReport& report) { report.evaluation(evaluation(Measure{"mcc", 0.5})); });
  for (const TaskKind& kind : task_kinds())
    for (const std::int64_t outputs : {2, 500}) {
      const auto task = make_task(kind.problem_type, {.outputs = outputs});
      const LabelForm form = task->labels();
      const Evaluation all = {.loss = 1,
                              .examples = 3,
                              .measures = task->measure(Tensor::zeros({3, outputs}, DType::kFloat64),
                                                        Tensor::zeros(form.shape(3), form.dtype))};
      expect_log(*task, [&](TrainReport& report) { report.epoch({.epoch = 1, .train = all, .validation = all}); });
      expect_log(*task, [&](TrainReport& report) { report.split("Test", "test", all); });
    }
}

TEST(LogFiles, ALogThatCannotBeWritten) {
  const TempDir dir;
  EXPECT_THROW(TrainReport(dir / "missing/log.jsonl", single_label()), IoError);
}

TEST(LogFiles, AnotherTrainersLogIsNotReplaced) {
  for (const char* line : {R"({"step":1,"epoch":0,"train_loss":1,"val_loss":1})", R"({"split":"train","loss":0.3})",
                           R"({"epoch":1,"train_ece":0.1,"val_ece":0.2})", R"({"fitted_to":"validation"})",
                           R"({"step":1,"loss":1,"learning_rate":1,"grad_norm":1,"tokens_per_second":1,"gpu":0})"}) {
    const TempDir dir;
    const std::string path = dir / "log.jsonl", text = std::string(line) + "\n";
    write_file(path, text);
    EXPECT_EQ(message_of([&] { TrainReport(path, single_label()); }),
              "--log_file " + path + ": attune did not write this file; name another one");
    EXPECT_EQ(read_file(path), text);
  }
}

TEST(LogFiles, ALogOfAnEarlierVersionIsReplaced) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl";
  write_file(path, R"({"step":0,"loss":1,"learning_rate":1,"grad_norm":null,"tokens_per_second":1})"
                   "\n");
  EXPECT_EQ(message_of([&] { TrainReport(path, single_label()); }), "");
  EXPECT_EQ(read_file(path), "");
}

TEST(LogFiles, ALongFirstLineIsReadInWhole) {
  const TempDir dir;
  const std::string path = dir / "log.jsonl", step = "{\"step\":1}\n";
  for (const std::size_t size : {(1u << 20) - 1, 1u << 20, (1u << 20) + 1, 3u << 20}) {
    const std::string begin = "{\"epoch\":1,\"attune_log\":\"0.1.0\",\"more\":\"", end = "\"}\n";
    write_file(path, begin + std::string(size - begin.size() - end.size(), 'x') + end + step);
    EXPECT_EQ(message_of([&] { TrainReport(path, single_label()); }), "") << size;
    write_file(path, std::string(size - 1, ' ') + "\n" + step);
    EXPECT_NE(message_of([&] { TrainReport(path, single_label()); }), "") << size;
  }
}

}  // namespace
}  // namespace attune::testing
