// Texts and labels from files: their ids are kept for the next run, never those of another file, tokenizer or length.
#include "apps/support/text_data.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"
#include "tests/support/words_of.h"

namespace attune::testing {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

// One id per byte, and a count of the texts it has seen.
class ByteTokenizer : public Tokenizer {
 public:
  Encoding encode(std::string_view text, const EncodeOptions& options) const override {
    ++encoded;
    Encoding out;
    for (const char c : text)
      if (options.max_length == 0 || std::ssize(out.ids) < options.max_length) out.ids.push_back(c);
    out.type_ids.assign(out.ids.size(), 0);
    return out;
  }
  Encoding encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options) const override {
    Encoding out = encode(a, options);
    const Encoding second = encode(b, {});
    out.ids.insert(out.ids.end(), second.ids.begin(), second.ids.end());
    out.type_ids.resize(out.ids.size(), 1);
    return out;
  }
  std::string decode(std::span<const std::int32_t>, bool) const override { return ""; }
  std::int32_t vocab_size() const override { return 256; }
  std::string token(std::int32_t) const override { return ""; }
  std::int32_t id(std::string_view) const override { return -1; }
  std::int32_t pad_id() const override { return 0; }
  const std::vector<TokenizerFile>& files() const override { return read; }

  mutable std::atomic<int> encoded = 0;
  std::vector<TokenizerFile> read{{"tokenizer.json", "{}"}};
};

class Splits : public ::testing::Test {
 protected:
  void SetUp() override { write_file(path_, "text,pair,label,other\nab,x,0,1\n,yz,1,0\nabc,,1,0\n"); }

  // Reads the file as a run of its own would; `hit`: nothing was tokenised.
  Dataset read(std::int64_t max_length = 2, std::int64_t max_rows = 0, const TextColumns& columns = {},
               const std::string& label_column = "label") {
    ClassLabels labels(label_column, 2);
    tokenizer_.encoded = 0;
    const Dataset out = SplitReader(tokenizer_, columns, labels, cache_).read(path_, max_rows, max_length);
    hit_ = tokenizer_.encoded == 0;
    EXPECT_EQ(labels.classes().count, 2);
    out.check();
    return out;
  }
  void expect_usual(const Dataset& split) {
    EXPECT_EQ(words_of(split.ids), (Ids{'a', 'b', 'a', 'b'}));
    EXPECT_EQ(words_of(split.labels), (Ids{0, 1, 1}));
    EXPECT_EQ(split.length(1), 0);
    EXPECT_EQ(split.name, path_);
  }
  std::vector<std::string> kept() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(cache_)) out.push_back(entry.path().string());
    return out;
  }

  TempDir folder_;
  std::string path_ = folder_ / "train.csv", cache_ = folder_ / "cache/attune";
  ByteTokenizer tokenizer_;
  bool hit_ = false;
};

TEST_F(Splits, AreKeptForTheNextRun) {
  const Dataset made = read();
  expect_usual(made);
  EXPECT_FALSE(hit_);
  const Dataset kept_one = read();
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
    reader.read(path_, 0, 0);
    return words_of(reader.read(other, 0, 0).labels);
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
  for (const std::string& damaged :
       {std::string(), whole.substr(0, whole.size() - 3), changed, std::string("no file")}) {
    write_file(file, damaged);
    expect_usual(read());
    EXPECT_FALSE(hit_);
    EXPECT_EQ(read_file(file), whole);
  }
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

TEST_F(Splits, WithoutACacheNothingIsKept) {
  const std::string digest = read().digest;
  cache_.clear();
  ::testing::internal::CaptureStderr();
  expect_usual(read());
  EXPECT_EQ(read().digest, digest);
  EXPECT_FALSE(hit_);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(Splits, ErrorsKeepNothingAndNameTheLine) {
  write_file(path_, "text,label\na,0\nb,1,2\n");
  EXPECT_EQ(message_of([&] { read(); }), path_ + ":3: found 3 fields where the header has 2");
  write_file(path_, "text,label\n");
  EXPECT_EQ(message_of([&] { read(); }), path_ + ": there are no rows below the header");
  EXPECT_TRUE(kept().empty());
}

TEST_F(Splits, ManyTextsKeepTheirOrder) {
  std::string text = "text,label\n";
  for (int i = 0; i < 9000; ++i) text += std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  write_file(path_, text);
  for (const bool hit : {false, true}) {
    const Dataset split = read(0);
    EXPECT_EQ(hit_, hit);
    ASSERT_EQ(split.size(), 9000);
    const auto starts = split.starts.values<std::int64_t>();
    const auto ids = split.ids.values<std::int32_t>();
    for (std::size_t i = 0; i < 9000; ++i) {
      std::string digits;
      for (std::int64_t t = starts[i]; t < starts[i + 1]; ++t)
        digits += static_cast<char>(ids[static_cast<std::size_t>(t)]);
      ASSERT_EQ(digits, std::to_string(i));
    }
  }
}

TEST_F(Splits, SeveralRunsAtOnce) {
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    if (child == 0) {
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
