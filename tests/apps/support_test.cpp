// What all programs share: exit codes and the one line of an error, what a number may be, what to say where memory is
// short, Ctrl-C, downloads, and models in the Hugging Face cache.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>
#include <set>
#include <vector>

#include "apps/support/command_line.h"
#include "apps/support/download.h"
#include "apps/support/flag_checks.h"
#include "apps/support/hub.h"
#include "apps/support/main.h"
#include "apps/support/memory_advice.h"
#include "apps/support/peak_rate.h"
#include "apps/support/training_flags.h"
#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code;
  std::string out, err;
};

// A program with one flag, --count, and this body.
Outcome run(const std::vector<const char*>& arguments, const std::function<int()>& body) {
  std::vector<std::string> texts(arguments.begin(), arguments.end());
  texts.insert(texts.begin(), "/path/of/program");
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_program({"program", "Does things."}, [&](CommandLine& app) {
    int count = 0;
    app.add_option("--count", count, "How many")->required();
    return app.parse(static_cast<int>(argv.size()), argv.data()) ? body() : 0;
  });
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

Outcome run_throwing(const std::function<void()>& action) {
  return run({"--count", "3"}, [&] {
    action();
    return 0;
  });
}

TEST(RunProgram, ReturnsWhatTheBodyReturns) {
  for (const int code : {0, 7}) {
    const Outcome outcome = run({"--count", "3"}, [&] { return code; });
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(RunProgram, HelpIsNoMistake) {
  const Outcome outcome = run({"--help"}, [] { return 9; });
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("--count"), std::string::npos);
  EXPECT_EQ(outcome.err, "");
}

TEST(RunProgram, MistakesOnTheCommandLineReturnTwo) {
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {}, {"--count"}, {"--count", "many"}, {"--count", "3", "--other"}, {"--count", "3", "x"}}) {
    const Outcome outcome = run(arguments, [] { return 0; });
    EXPECT_EQ(outcome.code, 2);
    EXPECT_TRUE(outcome.err.starts_with("program: error: ")) << outcome.err;
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(run({"--count", "3", ""}, [] { return 0; }).err,
            "program: error: an argument is empty; is a variable not set?\n");
  const Outcome outcome = run_throwing([] { throw UsageError("--a and --b exclude each other"); });
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err, "program: error: --a and --b exclude each other\n");
}

// A value that looks like an option is a value: a column may have such a name.
TEST(CommandLines, AValueThatLooksLikeAnOptionIsNone) {
  std::string column, seed, file;
  std::optional<std::string> resume;
  bool recompute = false;
  CommandLine app("Does things.", "program");
  app.add_option("--column", column, "");
  app.add_option("--seed", seed, "");
  app.add_optional("--resume", resume, "");
  app.add_flag("--recompute", recompute, "");
  app.add_options_file("--options", file, "", [](const std::string&) {
    return CommandLine::Values{{"--seed", "7"}, {"--recompute", "true"}};
  });
  const auto parse = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "program");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    EXPECT_TRUE(app.parse(static_cast<int>(argv.size()), argv.data()));
  };
  parse({"--options", "file", "--column", "--seed=9"});
  EXPECT_EQ(column + " " + seed, "--seed=9 7");
  parse({"--column", "--seed", "--options=file", "--resume", "--seed", "8"});
  EXPECT_EQ(column + " " + seed + " " + resume.value(), "--seed 8 ");
  EXPECT_TRUE(recompute);

  using Arguments = std::vector<std::string>;
  const std::set<std::string> names = {"--seed", "--resume", "--recompute"};
  EXPECT_EQ(app.arguments_without({"--column", "--seed=9", "--seed=1", "--seed", "--column", "x"}, names),
            (Arguments{"--column", "--seed=9", "x"}));
  EXPECT_EQ(app.arguments_without({"--resume", "-1", "--resume", "--column", "--resume", "--recompute", "y"}, names),
            (Arguments{"--column", "--resume", "y"}));
}

// The messages of a flag checked so, given these values; empty where a value is taken.
std::vector<std::string> complaints(const FlagCheck& check, const std::vector<std::string>& values) {
  std::vector<std::string> out;
  for (const std::string& value : values) out.push_back(check.complaint(value));
  return out;
}

TEST(FlagChecks, TakeFiniteNumbersInTheirRange) {
  using Messages = std::vector<std::string>;
  EXPECT_EQ(complaints(positive(), {"5e-6", "1", "0", "-1", "nan", "inf", "1e999", "many"}),
            (Messages{"", "", "must be positive, not 0", "must be positive, not -1", "must be positive, not nan",
                      "must be positive, not inf", "must be positive, not 1e999", "must be positive, not many"}));
  EXPECT_EQ(complaints(not_negative(), {"0", "0.5", "-0.5", "NaN"}),
            (Messages{"", "", "must be at least 0, not -0.5", "must be at least 0, not NaN"}));
  EXPECT_EQ(
      complaints(dropout_probability(), {"0", "0.9", "1", "0.999999999", "nan", "-0.1"}),
      (Messages{"", "", "must be at least 0 and below 1, not 1", "must be at least 0 and below 1, not 0.999999999",
                "must be at least 0 and below 1, not nan", "must be at least 0 and below 1, not -0.1"}));
  EXPECT_EQ(complaints(count_from(1, 10), {"1", "10", "0", "11", "nan"}),
            (Messages{"", "", "must be from 1 to 10, not 0", "must be from 1 to 10, not 11",
                      "must be from 1 to 10, not nan"}));
  EXPECT_EQ(complaints(count_from(0), {"2147483647", "9223372036854775807"}),
            (Messages{"", "must be from 0 to 2147483647, not 9223372036854775807"}));
}

TEST(RunProgram, OtherErrorsReturnOne) {
  EXPECT_EQ(run_throwing([] { throw Error("train.csv:3: no"); }).err, "program: error: train.csv:3: no\n");
  EXPECT_EQ(run_throwing([] { throw IoError("/x/y", "no such file"); }).err, "program: error: /x/y: no such file\n");
  EXPECT_EQ(run_throwing([] { throw std::bad_alloc(); }).err, "program: error: out of memory\n");
  EXPECT_EQ(run_throwing([] { throw std::out_of_range("index"); }).err, "program: error: index\n");
  EXPECT_EQ(run_throwing([] { throw Error("no"); }).code, 1);
}

TEST(RunProgram, FileContentsDoNotReachTheTerminalRaw) {
  EXPECT_EQ(run_throwing([] { throw Error("the label 'a\nb\x1b[2J\x7f\t\u00e9' is"); }).err,
            "program: error: the label 'a\\x0ab\\x1b[2J\\x7f\\x09\u00e9' is\n");
}

TEST(RunProgram, InterruptedWorkReturnsWhatShellsExpect) {
  const Outcome outcome = run_throwing([] { throw Interrupted(); });
  EXPECT_EQ(outcome.code, 130);
  EXPECT_EQ(outcome.err, "program: error: interrupted\n");
}

TEST(MemoryAdvice, SizesInTheUnitThatFits) {
  EXPECT_EQ(memory_size_text(400000), "0.4 MiB");
  const auto in_use = [] { return std::stod(memory_in_use_text(Device::kCpu)); };
  const double before = in_use();
  const std::vector<char> more(std::size_t{100} << 20, 'x');
  EXPECT_NEAR(in_use() - before, 100, 20) << more.size();
  EXPECT_EQ(memory_size_text((std::size_t{1} << 30) - (std::size_t{1} << 20)), "1023.0 MiB");
  EXPECT_EQ(memory_size_text(std::size_t{1} << 30), "1.00 GiB");
  EXPECT_EQ(memory_size_text(std::size_t{79} << 30), "79.00 GiB");
}

TEST(PeakRate, OfThisMachineIsThatOfALargeProduct) {
  const double peak = peak_product_rate(Device::kCpu, DType::kFloat32);
  EXPECT_GT(peak, 1e8);   // no machine is slower than a tenth of a multiplication in a cycle
  EXPECT_LT(peak, 1e15);  // or reaches what takes a room of accelerators
}

TEST(MemoryAdvice, NamesWhatCanStillBeLowered) {
  const auto advice = [](const TrainingFlags& flags, std::int64_t row_length) {
    return memory_advice(flags.memory_savers(row_length));
  };
  const std::string batch = "a smaller --batch_size (--accumulation_steps makes up for it)";
  TrainingFlags flags;
  flags.trainable_layers = "all";
  EXPECT_EQ(advice(flags, 256),
            "; less is needed with " + batch + ", a smaller --context_length, --recompute or fewer --trainable_layers");
  flags.placement.device_name = "cuda";
  EXPECT_EQ(advice(flags, 256),
            "; less is needed with " + batch +
                ", a smaller --context_length, --precision bf16, --recompute or fewer --trainable_layers");
  flags.placement.precision = "bf16";
  flags.recompute = true;
  EXPECT_EQ(advice(flags, 0), "; less is needed with " + batch + " or fewer --trainable_layers");
  flags.trainable_layers = "last_layer";
  flags.recompute = false;
  EXPECT_EQ(advice(flags, 0), "; less is needed with " + batch);
  flags.batch_size = 1;
  EXPECT_EQ(advice(flags, 0), "");
}

// In a process of its own.
void interrupt_three_times(int signal) {
  for (const char* next : {"first", "second", "it ends"}) catch_interrupts(next);
  if (interrupted()) _exit(3);
  errno = EDOM;
  raise(signal);
  if (errno != EDOM) _exit(6);
  if (!interrupted()) _exit(4);
  raise(signal);
  std::fputs("goes on\n", stderr);
  raise(signal);
  _exit(5);
}

TEST(InterruptDeathTest, TheThirdSignalEndsTheProgram) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EXIT(interrupt_three_times(signal), ::testing::ExitedWithCode(kInterruptedExit),
                "interrupted: it ends\n\nthe run is still ending; a third signal ends .*\ngoes on\n");
}

TEST(InterruptDeathTest, TheFirstSignalEndsAProgramThatHasNothingToSave) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EXIT(
        {
          end_at_interrupts("nothing is saved");
          raise(signal);
        },
        ::testing::ExitedWithCode(kInterruptedExit), "^\ninterrupted: nothing is saved\n$");
}

// Of several runs the next one reads its data again, when there is nothing of it to save.
TEST(InterruptDeathTest, TheFirstSignalEndsAProgramThatHasNothingToSaveAgain) {
  EXPECT_EXIT(
      {
        end_at_interrupts("nothing is saved");
        catch_interrupts("it ends");
        end_at_interrupts("nothing more is saved");
        raise(SIGINT);
      },
      ::testing::ExitedWithCode(kInterruptedExit), "^\ninterrupted: nothing more is saved\n$");
}

void download_interrupted(const std::string& folder) {
  catch_interrupts("it ends");
  raise(SIGINT);
  try {
    download_file("file://" + folder + "/source", folder + "/target", [](std::int64_t, std::int64_t) {});
  } catch (const Interrupted&) {
    _exit(fs::exists(folder + "/target") ? 4 : 0);
  }
  _exit(5);
}

TEST(InterruptDeathTest, ADownloadEnds) {
  const TempDir folder;
  write_file(folder / "source", std::string(1 << 20, 'x'));
  EXPECT_EXIT(download_interrupted(folder.path().string()), ::testing::ExitedWithCode(0), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "the temporary is removed";
}

TEST(Download, FromAFileAddress) {
  const TempDir folder;
  const std::string bytes(300000, 'x');
  write_file(folder / "source", bytes);
  std::int64_t last = 0;
  download_file("file://" + (folder / "source"), folder / "target",
                [&](std::int64_t done, std::int64_t) { last = done; });
  EXPECT_EQ(read_file(folder / "target"), bytes);
  EXPECT_EQ(last, 300000);
}

TEST(Download, AFailureNamesTheAddressAndLeavesNothing) {
  const TempDir folder;
  const ProgressFn silent = [](std::int64_t, std::int64_t) {};
  for (const std::string& url : {"file://" + (folder / "nothing"), std::string("http://127.0.0.1:1/x"),
                                 std::string("gopher://127.0.0.1/x"), std::string("no address")}) {
    const std::string message = message_of([&] { download_file(url, folder / "target", silent); });
    EXPECT_TRUE(message.starts_with(url + ": the download failed: ")) << message;
  }
  write_file(folder / "source", "bytes");
  EXPECT_THROW(download_file("file://" + (folder / "source"), folder / "missing/target", silent), IoError);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(Download, NamesOfAddresses) {
  EXPECT_EQ(file_name_of_url("https://host/a/b.tar.gz"), "b.tar.gz");
  EXPECT_EQ(file_name_of_url("https://host/b.tar.gz?x=/y#z"), "b.tar.gz");
  EXPECT_EQ(file_name_of_url("file:///b"), "b");
  for (const char* url :
       {"https://host", "https://host/", "https://host/a/", "https://host/..", "https://host?/x", "", "b"})
    EXPECT_EQ(message_of([&] { file_name_of_url(url); }), "the address " + std::string(url) + " names no file");
}

// A cache of its own, and no other variable that names one.
class Hub : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kNames) unsetenv(name);
    setenv("HF_HUB_CACHE", cache_.path().c_str(), 1);
  }
  void TearDown() override {
    for (const char* name : kNames) unsetenv(name);
    if (home_) setenv("HOME", home_->c_str(), 1);
  }

  // A repository as huggingface_hub leaves it: a blob, a snapshot that links to it, and the reference to the snapshot.
  std::string add(const std::string& folder, const std::string& revision, const std::string& ref) const {
    const fs::path root = cache_.path() / folder, snapshot = root / "snapshots" / revision;
    for (const fs::path& sub : {root / "refs", root / "blobs", snapshot}) fs::create_directories(sub);
    write_file((root / "blobs" / "b10b").string(), "{}");
    fs::create_symlink("../../blobs/b10b", snapshot / "config.json");
    write_file((root / "refs" / "main").string(), ref);
    return snapshot.string();
  }

  static constexpr std::array<const char*, 5> kNames = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                                        "XDG_CACHE_HOME", "HOME"};
  TempDir cache_;
  std::optional<std::string> home_ =
      getenv("HOME") != nullptr ? std::optional<std::string>(getenv("HOME")) : std::nullopt;
};

TEST_F(Hub, FindsTheSnapshotOfMain) {
  const std::string snapshot = add("models--FacebookAI--roberta-large", "abc", "abc");
  add("models--FacebookAI--roberta-base", "def", "def\n");
  EXPECT_EQ(find_in_hub_cache({"FacebookAI/roberta-large"}), snapshot);
  EXPECT_EQ(find_in_hub_cache({"roberta-large", "FacebookAI/roberta-large"}), snapshot);
  EXPECT_TRUE(
      find_in_hub_cache({"FacebookAI/roberta-base"}).ends_with("models--FacebookAI--roberta-base/snapshots/def"))
      << "a newline ends the reference";
  add("models--bert-base-uncased", "123", "123");
  EXPECT_TRUE(find_in_hub_cache({"bert-base-uncased", "google-bert/bert-base-uncased"})
                  .ends_with("models--bert-base-uncased/snapshots/123"));
}

TEST_F(Hub, WhatIsNotThereComesWithTheCommandThatFetchesIt) {
  const auto expect_missing = [&](const std::string& what) {
    const std::string message = message_of([] { find_in_hub_cache({"answerdotai/ModernBERT-base", "other"}); });
    EXPECT_NE(message.find("hf download answerdotai/ModernBERT-base"), std::string::npos) << what << ": " << message;
    EXPECT_NE(message.find(cache_.path().string()), std::string::npos) << what << ": " << message;
  };
  expect_missing("an empty cache");
  const std::string folder = "models--answerdotai--ModernBERT-base";
  add(folder, "abc", "another");
  expect_missing("a reference to no snapshot");
  write_file((cache_.path() / folder / "refs/main").string(), "");
  expect_missing("an empty reference");
  write_file((cache_.path() / folder / "refs/main").string(), std::string(5000, 'a'));
  expect_missing("a reference that is no name of a file");
  write_file((cache_.path() / folder / "refs/main").string(), "abc");
  EXPECT_NO_THROW(find_in_hub_cache({"answerdotai/ModernBERT-base"}));
  fs::remove(cache_.path() / folder / "blobs/b10b");
  expect_missing("a link to no blob");
  fs::remove(cache_.path() / folder / "refs/main");
  expect_missing("no reference");
}

TEST_F(Hub, TheCacheIsWhereTheVariablesSay) {
  setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
  setenv("HF_HOME", "/hf", 1);
  setenv("XDG_CACHE_HOME", "/xdg", 1);
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(hub_cache_folder(), cache_.path().string());
  unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(hub_cache_folder(), "/old");
  setenv("HUGGINGFACE_HUB_CACHE", "", 1);
  EXPECT_EQ(hub_cache_folder(), "/hf/hub") << "an empty variable says nothing";
  unsetenv("HF_HOME");
  EXPECT_EQ(hub_cache_folder(), "/xdg/huggingface/hub");
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(hub_cache_folder(), "/home/me/.cache/huggingface/hub");
  unsetenv("HOME");
  EXPECT_EQ(hub_cache_folder(), "");
  EXPECT_EQ(
      message_of([] { find_in_hub_cache({"bert-base-uncased"}); }),
      "the model bert-base-uncased cannot be looked for: HOME, XDG_CACHE_HOME and HF_HUB_CACHE are not set; name its "
      "folder with --model_dir");
}

}  // namespace
}  // namespace attune::testing
