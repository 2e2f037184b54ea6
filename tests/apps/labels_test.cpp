// Labels of files: what they become, what is wrong with them, and what a stored run keeps of them.
#include "apps/support/labels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/class_counts.h"
#include "models/hf_config.h"
#include "tests/support/message_of.h"
#include "tests/support/words_of.h"

namespace attune::testing {
namespace {

using Ids = std::vector<std::int32_t>;
using Floats = std::vector<float>;

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
            "f:2: the label 'Spam' is not one of the 3 classes (7, ham, spam); did you mean 'spam'?");
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
                                                                  {"0", "-0"},
                                                                  {"-00.0", "0"},
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
              "f:3: the label 'pos ' is not one of the 2 classes (neg, pos); did you mean 'pos'?");
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
  EXPECT_EQ(complaint({0, 0, 1, 1, 2}, {"bad", "good", "mixed"}), "f: 'mixed' has a single example, row 5" + accept);
  EXPECT_EQ(complaint({0, 0, 0}, numbers(2)), "f: every row has the label 0; at least two classes are needed");
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
  print_splits({"bad", "very\ngood"},
               {{"train", Tensor::from(Ids{0, 1, 1}, {3})}, {"test", Tensor::from(Ids{0}, {1})}});
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "Examples           train        test\nbad                    1           1\nvery\\x0agood           2   "
            "        0\nall                    3           1\n");
  ::testing::internal::CaptureStdout();
  print_splits({"scho\u0308n", "sch\u00f6n"}, {{"train", Tensor::from(Ids{0, 1, 1}, {3})}});
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "Examples       train\nscho\u0308n             1\nsch\u00f6n              2\nall                3\n");
  ::testing::internal::CaptureStdout();
  print_splits(complete_label_names({}, 1000), {{"train", Tensor::from(Ids{0}, {1})}});
  EXPECT_TRUE(::testing::internal::GetCapturedStdout().ends_with("\n... and 980 more\nall                1\n"));
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
              "f:2: the label 'poetry' is not one of the 3 labels (art, law, war)");
  }
  for (const auto& [first, second] : {std::pair{"1", "01"}, {"1.0", "1"}, {"+1", "1"}}) {
    ListedLabels spelled("labels", ",");
    EXPECT_EQ(message_of([&] {
                labels_of(spelled, {{str_cat(first, ", 2")}, {"2"}, {str_cat("2,", second)}});
              }),
              str_cat("f:4: the label '", second, "' is another spelling of '", first, "' (f:2)"));
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
  for (const char* bad : {"",     " ",   "+",    "many",     "1x",   "1 2", "1,5", "0x10", "0x1p3", "nan",
                          "+nan", "inf", "-inf", "infinity", "1e99", "+-1", "++1", "-+1",  "- 1",   "1e-50x"}) {
    NumberLabels strict({"x"}, false);
    EXPECT_EQ(message_of([&] {
                labels_of(strict, {{"1"}, {bad}});
              }),
              "f:3: the label '" + std::string(bad) + "' of column 'x' is not a finite number");
  }
  NumberLabels flags({"x"}, true);
  EXPECT_EQ(floats(labels_of(flags, {{"1"}, {"0"}, {" 1.0"}, {"-0 "}})), (Floats{1, 0, 1, 0}));
  for (const char* bad : {"0.5", "1e-50", "1e99", "", "nan"}) {
    NumberLabels strict({"x"}, true);
    EXPECT_EQ(message_of([&] { labels_of(strict, {{bad}}); }),
              "f:2: the label '" + std::string(bad) + "' of column 'x' is neither 0 nor 1");
  }
}

// As spreadsheets and pandas write them; what is too small for a float is rounded as by strtof.
TEST(NumberLabels, AreReadAsOthersWriteThem) {
  NumberLabels reader({"x"}, false);
  const Tensor labels = labels_of(reader, {{" 1"},
                                           {"2\t"},
                                           {" \u00a0+3.5 "},
                                           {"+1e2"},
                                           {"1e-50"},
                                           {"-1e-400"},
                                           {"1e-40"},
                                           {"+1.4e-45"},
                                           {"1e-45 "},
                                           {".5"},
                                           {"5."},
                                           {"1E+05"},
                                           {"3.4028235e38"}});
  EXPECT_EQ(floats(labels),
            (Floats{1, 2, 3.5F, 100, 0, -0.0F, 1e-40F, 1.4e-45F, 1e-45F, 0.5F, 5, 1e5F, 3.4028235e38F}));
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
  EXPECT_EQ(parse_label("LABEL_1", 2, {}, "f:1"), 1) << "what such a model prints";
  EXPECT_EQ(message_of([&] { parse_label("LABEL_2", 2, {}, "f:1"); }),
            "f:1: the label 2 is not a class; there are 2 (0 .. 1)");
  EXPECT_EQ(message_of([&] { parse_label("LABEL_", 2, {}, "f:1"); }).substr(0, 47),
            "f:1: the label 'LABEL_' is not an integer from ");
  EXPECT_EQ(parse_label("spam", 3, names, "f:1"), 1);
  EXPECT_EQ(parse_label("7", 3, names, "f:1"), 2);
  // Where classes have names, a number that is none of them is no class.
  EXPECT_EQ(message_of([&] { parse_label("1", 3, names, "f:1"); }),
            "f:1: the label '1' is not one of the 3 classes (ham, spam, 7)");
  EXPECT_EQ(message_of([&] {
              parse_label("fo\no", 6, {"a", "b\n", "c", "d", "e", "fo\n"}, "f:1");
            }),
            "f:1: the label 'fo\\x0ao' is not one of the 6 classes (a, b\\x0a, c, d, e, ...); did you mean 'fo\\x0a'?");
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

}  // namespace
}  // namespace attune::testing
