// Ids that are kept for the next run: never those of another file, tokenizer or length, nor damaged ones.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "engine/data/dataset_file.h"
#include "tests/apps/splits.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

namespace fs = std::filesystem;

TEST_F(Splits, AreKeptForTheNextRun) {
  const Dataset made = read();
  expect_usual(made);
  EXPECT_FALSE(hit_);
  ::testing::internal::CaptureStdout();
  const Dataset kept_one = read();
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "Token ids of " + path_ + ": from " + kept().at(0) + "\n");
  expect_usual(kept_one);
  EXPECT_TRUE(hit_);
  EXPECT_EQ(kept().size(), 1u);
  EXPECT_EQ(kept_one.digest, made.digest);
}

TEST_F(Splits, AreMadeAnewWhereAnythingDiffers) {
  const auto expect_miss = [&](const char* what, const std::function<void()>& again) {
    again();
    EXPECT_FALSE(hit_) << what;
    again();
    EXPECT_TRUE(hit_) << what << ", once more";
  };
  read();
  expect_miss("another length", [&] { EXPECT_EQ(read(3).ids.numel(), 5); });
  expect_miss("fewer rows", [&] { EXPECT_EQ(read(2, 2).size(), 2); });
  expect_miss("another column of texts", [&] {
    EXPECT_EQ(words_of(read(2, 0, {.text = "pair"}).ids), (Ids{'x', 'y', 'z'}));
  });
  expect_miss("another column of labels", [&] { EXPECT_EQ(words_of(read(2, 0, {}, "other").labels), (Ids{1, 0, 0})); });
  expect_miss("pairs", [&] {
    const Dataset pairs = read(2, 0, {.pair = "pair"});
    EXPECT_EQ(words_of(pairs.ids), (Ids{'a', 'b', 'x', 'y', 'z', 'a', 'b'}));
    EXPECT_EQ(words_of(pairs.type_ids), (Ids{0, 0, 1, 1, 1, 0, 0}));
  });
  // Same size, same time of the last change.
  const auto time = fs::last_write_time(path_);
  write_file(path_, "text,pair,label,other\nac,x,0,1\n,yz,1,0\nabc,,1,0\n");
  fs::last_write_time(path_, time);
  expect_miss("another text", [&] { EXPECT_EQ(words_of(read().ids), (Ids{'a', 'c', 'a', 'b'})); });
  tokenizer_.read.front().text = "{ }";
  expect_miss("another tokenizer", [&] { read(); });
}

TEST_F(Splits, WhatWasUsedLongestAgoIsRemovedFirst) {
  const auto age = [](const fs::path& file, int hours) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  for (const std::int64_t length : {1, 2, 3}) read(length);
  write_file(cache_ + "/matmul-x.txt", std::string(10000, 'x'));  // another cache, not limited here
  std::uintmax_t total = 0;
  for (const std::string& file : kept()) {
    age(file, 10);
    if (file.ends_with(".safetensors")) total += fs::file_size(file);
  }
  read(2);  // now the one that was used last
  ASSERT_TRUE(hit_);
  limit_stored_ids(cache_, total);
  EXPECT_EQ(kept().size(), 4u);
  limit_stored_ids(cache_, total - 1);
  EXPECT_EQ(kept().size(), 3u);
  limit_stored_ids(cache_, total / 2);
  EXPECT_EQ(kept().size(), 2u);
  read(2);
  EXPECT_TRUE(hit_);
  limit_stored_ids(cache_, 0, kept());
  EXPECT_EQ(kept().size(), 2u) << "ids that the run uses stay";
  limit_stored_ids(cache_, 0);
  EXPECT_EQ(kept(), std::vector<std::string>{cache_ + "/matmul-x.txt"});
  limit_stored_ids(folder_ / "missing", 0);
}

TEST_F(Splits, TemporariesOfKilledRunsAreRemoved) {
  read();
  for (const char* name : {"/ids-1.safetensors.attune-temporary-abcdef", "/ids-2.safetensors.attune-temporary-abcdef"})
    write_file(cache_ + name, "half");
  fs::last_write_time(cache_ + "/ids-1.safetensors.attune-temporary-abcdef",
                      fs::file_time_type::clock::now() - std::chrono::hours(25));
  read();
  EXPECT_FALSE(fs::exists(cache_ + "/ids-1.safetensors.attune-temporary-abcdef"));
  EXPECT_TRUE(fs::exists(cache_ + "/ids-2.safetensors.attune-temporary-abcdef")) << "a run may be writing it";
}

TEST_F(Splits, TheTrainingClassesDecideWhatIsKeptOfTheOthers) {
  write_file(path_, "text,label\nx,a\ny,b\n");
  const std::string other = folder_ / "test.csv";
  write_file(other, "text,label\nz,b\n");
  const auto read_both = [&] {
    ClassLabels labels("label", 2);
    SplitReader reader(tokenizer_, {}, labels, cache_);
    reader.read({path_}, 0, 0);
    return words_of(reader.read({other}, 0, 0).labels);
  };
  EXPECT_EQ(read_both(), (Ids{1}));
  EXPECT_EQ(read_both(), (Ids{1}));
  write_file(path_, "text,label\nx,b\ny,c\n");
  EXPECT_EQ(read_both(), (Ids{0}));
}

TEST_F(Splits, ADamagedFileIsMadeAnew) {
  read();
  const std::string file = kept().at(0), whole = read_file(file);
  std::string changed = whole;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  for (const auto& [damaged, what] :
       {std::pair(std::string(), "not a valid safetensors file: it has 0 bytes"),
        {whole.substr(0, whole.size() - 3), "not a valid safetensors file: tensor 'labels': ends at byte"},
        {changed, "its tensors are damaged"},
        {std::string("no file"), "not a valid safetensors file: it has 7 bytes"}}) {
    write_file(file, damaged);
    ::testing::internal::CaptureStderr();
    expect_usual(read());
    const std::string warning = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(warning.starts_with("warning: " + file + ": " + what)) << warning;
    EXPECT_TRUE(warning.ends_with("; the token ids are made anew\n")) << warning;
    EXPECT_EQ(std::ranges::count(warning, '\n'), 1) << warning;
    EXPECT_FALSE(hit_);
    EXPECT_EQ(read_file(file), whole);
  }
}

TEST_F(Splits, TheWarningSaysWhyStoredIdsAreNotUsed) {
  const Dataset made = read();
  const std::string file = kept().at(0);
  const auto warning = [&] {
    ::testing::internal::CaptureStderr();
    expect_usual(read());
    EXPECT_FALSE(hit_);
    return ::testing::internal::GetCapturedStderr();
  };
  DatasetWriter writer("", false);
  writer.add(std::vector<std::int64_t>{2, 0, 2}, Ids{'a', 'b', 'a', 'b'}, {});
  Dataset same = writer.finish(path_, made.labels);
  writer.write(file, same, R"({"kind": "class", "column": "label", "known": true, "count": 2, "names": []})");
  EXPECT_EQ(warning(), "warning: " + file + ": has no marks of its texts; the token ids are made anew\n");
  same.marks = made.marks;
  writer.write(file, same, R"({"kind": "class", "column": "label", "known": true, "count": 0, "names": []})");
  EXPECT_EQ(
      warning(),
      "warning: " + file +
          ": the kept labels: count: must be an integer from 1 to 100000, found 0; the token ids are made anew\n");
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_TRUE(warning().starts_with("warning: " + file + ": is not a regular file; the token ids are made anew\n"));
}

// Its stored labels are refused, and the file that has them is removed meanwhile.
class LabelsOfARemovedFile : public ClassLabels {
 public:
  explicit LabelsOfARemovedFile(std::string file) : ClassLabels("label", 2), file_(std::move(file)) {}
  void restore(const std::string&, const Tensor&) override {
    fs::remove(file_);
    throw Error("refused");
  }

 private:
  std::string file_;
};

TEST_F(Splits, StoredIdsThatAnotherRunRemovesAreMadeAnewWithoutAWord) {
  read();
  const std::string file = kept().at(0);
  LabelsOfARemovedFile labels(file);
  ::testing::internal::CaptureStderr();
  expect_usual(SplitReader(tokenizer_, {}, labels, cache_).read({path_}, 0, 2));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(Splits, AChangeOfAnyByteAndAnyLengthOfAStoredFileAreFound) {
  const Tensor marks = read().marks;
  const std::string file = kept().at(0), whole = read_file(file);
  const auto put = [&](const std::string& bytes) {
    fs::remove(file);  // some file systems write a file that is replaced to the disk at once
    std::ofstream(file, std::ios::binary) << bytes;
  };
  ::testing::internal::CaptureStderr();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
    put(changed);
    StoredDataset stored;
    const std::string error = message_of([&] { stored = open_dataset(file, path_); });
    if (!error.empty()) continue;
    if (stored.dataset.marks.defined()) {
      ASSERT_TRUE(std::ranges::equal(stored.dataset.marks.values<std::int64_t>(), marks.values<std::int64_t>())) << i;
    }
    expect_usual(stored.dataset);  // spaces of the header, and names that nobody reads
  }
  for (std::size_t length = 0; length < whole.size(); length += 3) {
    put(whole.substr(0, length));
    ASSERT_NE(message_of([&] { (void)open_dataset(file, path_); }), "") << length;
  }
  expect_usual(read());
  EXPECT_FALSE(hit_);
  ::testing::internal::GetCapturedStderr();
}

TEST_F(Splits, AFolderThatCannotBeUsedIsAWarning) {
  for (const std::string& folder : {folder_ / "train.csv", folder_ / "train.csv/cache"}) {
    cache_ = folder;
    ::testing::internal::CaptureStderr();
    expect_usual(read());
    const std::string warning = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(warning.starts_with("warning: " + folder + ": ")) << warning;
    EXPECT_TRUE(warning.ends_with("; token ids are not kept for the next run\n")) << warning;
    EXPECT_EQ(std::ranges::count(warning, '\n'), 1);
  }
}

TEST_F(Splits, SeveralRunsAtOnce) {
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      std::cout.setstate(std::ios::failbit);
      std::cerr.setstate(std::ios::failbit);
      bool good = true;
      for (int repeat = 0; repeat < 20; ++repeat) {
        good = good && words_of(read(2 + repeat % 3).labels) == (Ids{0, 1, 1});
        if (repeat % 5 == i % 5)
          for (const std::string& file : kept())
            if (file.ends_with(".safetensors")) write_file(file, "damaged");
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  for (const std::string& file : kept()) EXPECT_TRUE(file.ends_with(".safetensors")) << file;
  expect_usual(read());
}

}  // namespace
}  // namespace attune::testing
