// Texts and labels from files: what labels become and what is wrong with them; and that ids are kept for the next run,
// never those of another file, tokenizer or length.
#include "apps/support/text_data.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>
#include <cmath>

#include <algorithm>
#include <atomic>

#include "apps/support/class_counts.h"
#include "engine/io/files.h"
#include "models/hf_config.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"
#include "tests/support/words_of.h"

namespace attune::testing {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;
using Floats = std::vector<float>;

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

// The labels of a file's rows, by a reader.
Tensor labels_of(LabelReader& reader, const std::vector<std::vector<std::string>>& rows) {
  int line = 1;
  for (const auto& row : rows) {
    ++line;
    reader.add(row, [&] { return "f:" + std::to_string(line); });
  }
  return reader.finish("f");
}
Floats floats(const Tensor& x) {
  return {x.values<float>().begin(), x.values<float>().end()};
}

TEST(ClassLabels, IntegersNeedNoNames) {
  ClassLabels reader("label", 2);
  EXPECT_EQ(words_of(labels_of(reader, {{"3"}, {"0"}, {"3"}, {"1"}})), (Ids{3, 0, 3, 1}));
  EXPECT_EQ(reader.classes().count, 4);
  EXPECT_EQ(reader.names()[3], "LABEL_3");
  EXPECT_EQ(words_of(labels_of(reader, {{"2"}, {"2"}})), (Ids{2, 2}));
  EXPECT_EQ(message_of([&] {
              labels_of(reader, {{"1"}, {"4"}});
            }),
            "f:3: the label 4 is not a class; there are 4 (0 .. 3)");
  ClassLabels wide("label", 5);
  labels_of(wide, {{"0"}});
  EXPECT_EQ(wide.classes().count, 5);
}

TEST(ClassLabels, NamesAreNumberedInAlphabeticalOrder) {
  ClassLabels reader("label", 2);
  EXPECT_EQ(words_of(labels_of(reader, {{"spam"}, {"7"}, {"ham"}, {"spam"}})), (Ids{2, 0, 1, 2}));
  EXPECT_EQ(reader.classes().names, (std::vector<std::string>{"7", "ham", "spam"}));
  EXPECT_EQ(words_of(labels_of(reader, {{"ham"}, {"7"}})), (Ids{1, 0}));
  EXPECT_EQ(message_of([&] { labels_of(reader, {{"Spam"}}); }),
            "f:2: the label 'Spam' is not one of the 3 classes; the nearest is 'spam'");
}

TEST(ClassLabels, MistakesNameTheFirstRow) {
  ClassLabels empty("label", 2), equal("label", 2), many("label", 2);
  EXPECT_EQ(message_of([&] { labels_of(empty, {{"a"}, {""}, {"b"}, {""}}); }), "f:3: the label is empty");
  EXPECT_EQ(message_of([&] {
              labels_of(equal, {{"a"}, {"a"}});
            }),
            "f: every label is 'a'; at least two classes are needed");
  std::vector<std::vector<std::string>> rows;
  for (int i = 0; i <= 100000; ++i) rows.push_back({"n" + std::to_string(i)});
  EXPECT_EQ(message_of([&] { labels_of(many, rows); }), "f:100002: there are more than 100000 different labels");
}

// The error of a training split with these labels, each in a row of its own.
std::string training_error(const std::vector<std::string>& labels) {
  ClassLabels reader("label", 2);
  std::vector<std::vector<std::string>> rows;
  for (const std::string& label : labels) rows.push_back({label});
  return message_of([&] { labels_of(reader, rows); });
}

TEST(ClassLabels, SpellingsOfOneAreAMistake) {
  const std::string no_break = "\u00a0", wide = "\u3000";
  const std::vector<std::pair<std::string, std::string>> pairs = {{"pos", " pos"},
                                                                  {"pos ", "pos"},
                                                                  {"pos", "pos\t"},
                                                                  {"pos", no_break + "pos" + wide},
                                                                  {"very good ", "very good"},
                                                                  {"1", "1 "},
                                                                  {"1.0", "1"},
                                                                  {"01", "1"},
                                                                  {"+1", "1"},
                                                                  {"-2", "-2.00"}};
  for (const auto& [first, second] : pairs)
    EXPECT_EQ(training_error({first, "neg", first, second}),
              str_cat("f:5: the label '", second == "pos\t" ? "pos\\x09" : second, "' is another spelling of '", first,
                      "' (f:2)"));
  EXPECT_EQ(training_error({"1", "0", "1 "}), "f:4: the label '1 ' is another spelling of '1' (f:2)");
  EXPECT_EQ(training_error({"1", "0", "01"}), "f:4: the label '01' is another spelling of '1' (f:2)");
  EXPECT_EQ(training_error({"a", " ", "b"}), "f:3: the label is empty");
  for (const auto& different : std::vector<std::vector<std::string>>{
           {"pos", "Pos", "p os"}, {"1", "1.5", "1.05", "10", "1.0.0", "1a"}, {"-1", "1", "x"}, {" pos", "neg"}})
    EXPECT_EQ(training_error(different), "");

  // The other splits, and a run whose labels were stored, know the same labels and no other spelling.
  ClassLabels named("label", 2), numbered("label", 2), kept("label", 2);
  labels_of(named, {{"pos"}, {"neg"}});
  kept.restore(named.state(), Tensor::from(Ids{1, 0}, {2}));
  for (ClassLabels* next : {&named, &kept})
    EXPECT_EQ(message_of([&] {
                labels_of(*next, {{"neg"}, {"pos "}});
              }),
              "f:3: the label 'pos ' is not one of the 2 classes; the nearest is 'pos'");
  labels_of(numbered, {{"1"}, {"0"}});
  for (const char* other : {"1 ", "01", "+1", "-1", "1.0"})
    EXPECT_EQ(message_of([&] {
                labels_of(numbered, {{"0"}, {other}});
              }),
              str_cat("f:3: the label '", other,
                      "' is not an integer from 0 on, written without sign, zeros in front or white space"));
}

// Where one of many integers is none of 0 .. 99999, all of them would become names, in alphabetical order.
TEST(ClassLabels, IntegersAreNeverCut) {
  for (const char* odd : {"-1", "007", "02", "+5", " 3", "100000", "2147483648", "4294967296", "4294967297",
                          "18446744073709551616", "-4294967295", "99999999999999999999999"})
    EXPECT_EQ(training_error({"0", "1", odd}),
              str_cat("f:4: the label '", odd,
                      "' is no class: if all labels are integers, they are 0 .. 99999, written without sign, zeros in "
                      "front or white space"));
  EXPECT_EQ(training_error({"0", "99999"}), "");
  ClassLabels reader("label", 2);
  labels_of(reader, {{"0"}, {"1"}});
  for (const char* large : {"2", "4294967296", "4294967297", "18446744073709551617"})
    EXPECT_EQ(message_of([&] {
                labels_of(reader, {{"0"}, {large}});
              }),
              str_cat("f:3: the label ", large, " is not a class; there are 2 (0 .. 1)"));
}

TEST(ClassLabels, AStateIsWhatTheNextSplitNeeds) {
  ClassLabels first("label", 2), second("label", 2);
  const std::string before = first.state();
  EXPECT_EQ(before, second.state());
  labels_of(first, {{"b"}, {"a"}});
  EXPECT_NE(first.state(), before);
  second.restore(first.state(), Tensor::from(Ids{1, 0}, {2}));
  EXPECT_EQ(second.state(), first.state());
  EXPECT_EQ(words_of(labels_of(second, {{"b"}})), (Ids{1}));
  EXPECT_NE(ClassLabels("other", 2).state(), before);
  EXPECT_NE(ClassLabels("label", 3).state(), before);
}

TEST(TrainingLabels, MistakesAreFound) {
  const auto complaint = [](const Ids& classes, const std::vector<std::string>& names, std::int64_t expected = 2) {
    return message_of(
        [&] { check_training_labels(Tensor::from(classes, {std::ssize(classes)}), names, expected, false, "f"); });
  };
  const std::string accept = "; --trust_labels accepts such labels";
  const auto numbers = [](std::int64_t count) { return complete_label_names({}, count); };
  EXPECT_EQ(complaint({0, 1, 1, 0}, numbers(2)), "");
  EXPECT_EQ(complaint({0, 1, 1, 0, 4}, numbers(5)), "f: row 5 has the label 4, but no row has the label 2" + accept);
  EXPECT_EQ(complaint({1, 2, 2, 1}, numbers(3)), "f: row 2 has the label 2, but no row has the label 0" + accept);
  EXPECT_EQ(complaint({1, 2, 2, 1}, numbers(3), 3), "");
  EXPECT_EQ(complaint({0, 0, 1, 1}, numbers(5), 5), "");
  EXPECT_EQ(complaint({0, 0, 1, 1, 2}, {"bad", "good", "goood"}),
            "f: 'goood' has a single example, row 5; the nearest other label is 'good'" + accept);
  EXPECT_EQ(complaint({0, 0, 0}, numbers(2)), "f: every row has the label 0; at least two classes are needed" + accept);
  const Tensor lists = Tensor::from(Floats{1, 0, 1, 1, 0, 0}, {3, 2});
  EXPECT_EQ(message_of([&] {
              check_training_labels(lists, {"art", "atr"}, 2, false, "f");
            }),
            "f: 'atr' has a single example, row 2; the nearest other label is 'art'" + accept);
}

TEST(TrainingLabels, OneClassIsNeverTrustedWithoutAWord) {
  const auto warning = [](const Ids& classes) {
    ::testing::internal::CaptureStderr();
    check_training_labels(Tensor::from(classes, {std::ssize(classes)}), complete_label_names({}, 5), 2, true, "f");
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warning({0, 1, 1, 0, 4}), "");
  EXPECT_EQ(warning({0, 0, 0}), "warning: f: every row has the label 0\n");
  EXPECT_EQ(warning({3}), "warning: f: every row has the label 3\n");
}

TEST(TrainingLabels, AreCountedForEverySplit) {
  ::testing::internal::CaptureStdout();
  print_class_counts({"bad", "very\ngood"},
                     {{"train", Tensor::from(Ids{0, 1, 1}, {3})}, {"test", Tensor::from(Ids{0}, {1})}});
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "Examples           train        test\nbad                    1           1\nvery\\x0agood           2   "
            "        0\n");
  ::testing::internal::CaptureStdout();
  print_class_counts(complete_label_names({}, 1000), {{"train", Tensor::from(Ids{0}, {1})}});
  EXPECT_TRUE(::testing::internal::GetCapturedStdout().ends_with("\n... and 980 more\n"));
}

TEST(ListedLabels, AreSetInAlphabeticalOrder) {
  ListedLabels reader("labels", "|");
  const Tensor labels = labels_of(reader, {{"war|art"}, {""}, {" law |\tart\u00a0"}, {"law"}});
  EXPECT_EQ(reader.names(), (std::vector<std::string>{"art", "law", "war"}));
  EXPECT_EQ(labels.shape(), (Shape{4, 3}));
  EXPECT_EQ(floats(labels), (Floats{1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0}));
  ListedLabels kept("labels", "|");
  kept.restore(reader.state(), labels);
  for (ListedLabels* next : {&reader, &kept}) {
    EXPECT_EQ(floats(labels_of(*next, {{"war"}, {"law|art"}})), (Floats{0, 0, 1, 1, 1, 0}));
    EXPECT_EQ(message_of([&] { labels_of(*next, {{"art|poetry"}}); }),
              "f:2: the label 'poetry' is not one of the training file's; the nearest is 'art'");
  }
  ListedLabels damaged("labels", ";"), none("labels", ";");
  EXPECT_EQ(message_of([&] { labels_of(damaged, {{"a"}, {"a;;b"}}); }), "f:3: a label of the list 'a;;b' is empty");
  EXPECT_EQ(message_of([&] { labels_of(none, {{""}}); }), "f: no text has a label");
  EXPECT_NE(ListedLabels("labels", ";").state(), ListedLabels("labels", "|").state());
}

TEST(NumberLabels, AreNumbers) {
  NumberLabels reader({"x", "y"}, false);
  const Tensor labels = labels_of(reader, {{"0.5", "-2"}, {"1e3", "0"}});
  EXPECT_EQ(labels.shape(), (Shape{2, 2}));
  EXPECT_EQ(floats(labels), (Floats{0.5F, -2, 1000, 0}));
  for (const char* bad : {"", "many", "1x", " 1", "nan", "inf", "1e99"}) {
    NumberLabels strict({"x"}, false);
    EXPECT_EQ(message_of([&] {
                labels_of(strict, {{"1"}, {bad}});
              }),
              "f:3: the label '" + std::string(bad) + "' of column 'x' is not a finite number");
  }
  NumberLabels flags({"x"}, true);
  EXPECT_EQ(floats(labels_of(flags, {{"1"}, {"0"}})), (Floats{1, 0}));
  EXPECT_EQ(message_of([&] { labels_of(flags, {{"0.5"}}); }), "f:2: the label '0.5' of column 'x' is neither 0 nor 1");
}

// A stored file may have right digests and labels that are none.
TEST(Labels, StoredOnesThatDoNotFitAreRefused) {
  ClassLabels classes("label", 2);
  labels_of(classes, {{"b"}, {"a"}});
  ListedLabels listed("label", ",");
  labels_of(listed, {{"a,b"}, {"c"}});
  const auto refuses = [](auto reader, const std::string& state, const Tensor& stored) {
    const std::string before = reader.state();
    const bool refused = !message_of([&] { reader.restore(state, stored); }).empty();
    EXPECT_TRUE(!refused || reader.state() == before) << state;
    return refused;
  };
  const ClassLabels fresh("label", 2);
  const std::string two = classes.state(), three = listed.state();
  EXPECT_FALSE(refuses(fresh, two, Tensor::from(Ids{0, 1, 1}, {3})));
  EXPECT_TRUE(refuses(fresh, two, Tensor::from(Ids{0, 2}, {2})));
  EXPECT_TRUE(refuses(fresh, two, Tensor::from(Ids{-1}, {1})));
  EXPECT_TRUE(refuses(fresh, two, Tensor::from(Floats{0, 1}, {1, 2})));
  EXPECT_TRUE(refuses(fresh, two, Tensor()));
  EXPECT_TRUE(refuses(fresh, R"({"count": 3, "names": ["a", "b"]})", Tensor::from(Ids{0}, {1})));
  EXPECT_TRUE(refuses(fresh, R"({"count": 0, "names": []})", Tensor::from(Ids{}, {0})));

  const ListedLabels empty("label", ",");
  EXPECT_FALSE(refuses(empty, three, Tensor::from(Floats{0, 1, 1}, {1, 3})));
  EXPECT_TRUE(refuses(empty, three, Tensor::from(Floats{0, 1, 0.5}, {1, 3})));
  EXPECT_TRUE(refuses(empty, three, Tensor::from(Floats{0, 1}, {1, 2})));
  EXPECT_TRUE(refuses(empty, R"({"names": ["a", "a"]})", Tensor::from(Floats{0, 1}, {1, 2})));
  EXPECT_TRUE(refuses(empty, R"({"names": []})", Tensor::from(Floats{}, {1, 0})));

  const NumberLabels numbers({"x"}, false), flags({"x"}, true);
  const std::string none = numbers.state();
  EXPECT_FALSE(refuses(numbers, none, Tensor::from(Floats{0.5}, {1, 1})));
  EXPECT_TRUE(refuses(numbers, none, Tensor::from(Floats{0.5, 1}, {1, 2})));
  EXPECT_TRUE(refuses(numbers, none, Tensor::from(Floats{NAN}, {1, 1})));
  EXPECT_TRUE(refuses(flags, flags.state(), Tensor::from(Floats{0.5}, {1, 1})));
}

TEST(Labels, NumbersAndNames) {
  const std::vector<std::string> names = {"ham", "spam", "7"};
  EXPECT_EQ(parse_label("0", 2, {}, "f:1"), 0);
  EXPECT_EQ(parse_label("1", 2, {}, "f:1"), 1);
  EXPECT_EQ(parse_label("spam", 3, names, "f:1"), 1);
  EXPECT_EQ(parse_label("7", 3, names, "f:1"), 2);
  // Where classes have names, a number that is none of them is no class.
  EXPECT_EQ(message_of([&] { parse_label("1", 3, names, "f:1"); }),
            "f:1: the label '1' is not one of the 3 classes; the nearest is '7'");
}

TEST(Labels, ErrorsSayWhere) {
  for (const char* bad : {"2", "-1", "", "1.0", " 1", "1 ", "one", "99999999999999999999", "+1"}) {
    const std::string message = message_of([&] { parse_label(bad, 2, {}, "train.csv:17"); });
    EXPECT_TRUE(message.starts_with("train.csv:17: ")) << bad << ": " << message;
    EXPECT_NE(message.find(bad), std::string::npos) << message;
  }
  EXPECT_NE(message_of([] {
              parse_label("Spam", 2, {"ham", "spam"}, "f:1");
            }).find("is not one of the 2 classes"),
            std::string::npos);
  EXPECT_NE(message_of([] { parse_label("2", 2, {}, "f:1"); }).find("0 .. 1"), std::string::npos);
}

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
