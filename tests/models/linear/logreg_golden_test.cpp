// The whole baseline on the real reviews against scikit-learn's: every count exactly, the solution to its optimum.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/io/csv.h"
#include "engine/io/sha256.h"
#include "engine/train/measures.h"
#include "models/linear/bag_of_words.h"
#include "tests/support/data.h"
#include "tests/support/imdb.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

using Json = nlohmann::json;

struct Split {
  std::vector<std::string> texts;
  std::vector<std::int32_t> labels;
  CountMatrix counts;
};

// Everything is computed once, for all tests of this program.
struct Baseline {
  Json golden;
  std::map<std::string, Split> splits;
  WordTable vocabulary;
  LogisticFit fit;

  explicit Baseline(const std::filesystem::path& data) {
    golden = Json::parse(std::ifstream(data / "golden" / "logreg.json"));
    const std::filesystem::path folder = testing::imdb_csvs(data);
    for (const auto& [name, rows] : golden.at("rows").items()) {
      CsvReader reader((folder / (name + ".csv")).string());
      const std::size_t text = reader.column("text"), label = reader.column("label");
      for (std::vector<std::string> fields; reader.next(fields);) {
        splits[name].texts.push_back(fields[text]);
        splits[name].labels.push_back(std::stoi(fields[label]));
      }
    }
    WordCounts counted = count_words(splits.at("train").texts, split_words);
    vocabulary = std::move(counted.vocabulary);
    for (auto& [name, split] : splits)
      split.counts = name == "train" ? counted.counts : count_words(split.texts, split_words, vocabulary);
    fit = fit_logistic_regression(splits.at("train").counts, splits.at("train").labels, {});
  }
};

const Baseline& the_run(const std::filesystem::path& data) {
  static const Baseline run(data);
  return run;
}

std::vector<std::string> words_of(const WordTable& table, std::int32_t begin, std::int32_t end) {
  std::vector<std::string> out;
  for (std::int32_t i = begin; i < end; ++i) out.emplace_back(table.word(i));
  return out;
}

// Percent to the four decimals that the golden file keeps.
double percent(double share) {
  return std::round(share * 1e6) / 1e4;
}

TEST(LogregGolden, VocabularyIsExact) {
  ATTUNE_DATA_OR_SKIP(data);
  const Baseline& run = the_run(data);
  const std::int32_t size = run.vocabulary.size();
  EXPECT_EQ(size, run.golden.at("vocabulary"));
  const auto first = run.golden.at("first_words").get<std::vector<std::string>>();
  const auto last = run.golden.at("last_words").get<std::vector<std::string>>();
  EXPECT_EQ(words_of(run.vocabulary, 0, static_cast<std::int32_t>(first.size())), first);
  EXPECT_EQ(words_of(run.vocabulary, size - static_cast<std::int32_t>(last.size()), size), last);
  std::string lines;
  for (std::int32_t i = 0; i < size; ++i) lines.append(i == 0 ? "" : "\n").append(run.vocabulary.word(i));
  EXPECT_EQ(sha256_hex(lines), run.golden.at("vocabulary_sha256"));
}

TEST(LogregGolden, CountsAreExact) {
  ATTUNE_DATA_OR_SKIP(data);
  const Baseline& run = the_run(data);
  for (const auto& [name, split] : run.splits) {
    const CountMatrix& counts = split.counts;
    EXPECT_EQ(counts.rows(), run.golden.at("rows").at(name)) << name;
    EXPECT_EQ(counts.columns, run.golden.at("vocabulary")) << name;
    EXPECT_EQ(counts.nonzeros(), run.golden.at("nonzeros").at(name)) << name;
    EXPECT_EQ(std::count(split.labels.begin(), split.labels.end(), 1), run.golden.at("positive_rows").at(name)) << name;
    std::int64_t total = 0;
    for (const std::int32_t count : counts.counts) total += count;
    EXPECT_EQ(total, run.golden.at("total_count").at(name)) << name;
    Sha256 sha;
    const auto add = [&](const auto& values) {
      const std::vector<std::int64_t> wide(values.begin(), values.end());
      sha.update(std::as_bytes(std::span(wide)));
    };
    add(counts.row_starts);
    add(counts.column_ids);
    add(counts.counts);
    EXPECT_EQ(sha.hex(), run.golden.at("matrix_sha256").at(name)) << name;
  }
}

TEST(LogregGolden, DummyIsExact) {
  ATTUNE_DATA_OR_SKIP(data);
  const Baseline& run = the_run(data);
  const std::int32_t guess = most_frequent_label(run.splits.at("train").labels);
  for (const auto& [name, split] : run.splits) {
    const std::vector<std::int32_t> guesses(split.labels.size(), guess);
    EXPECT_EQ(percent(measures::accuracy(guesses, split.labels)), run.golden.at("dummy_accuracy_percent").at(name))
        << name;
  }
}

TEST(LogregGolden, SolutionIsTheOptimum) {
  ATTUNE_DATA_OR_SKIP(data);
  const Baseline& run = the_run(data);
  const Json& optimum = run.golden.at("optimum");
  EXPECT_EQ(run.fit.end, MinimiseEnd::kConverged);
  EXPECT_NEAR(run.fit.objective, optimum.at("objective").get<double>(), 1e-14);
  double square = 0;
  for (const double w : run.fit.model.weights) square += w * w;
  EXPECT_NEAR(std::sqrt(square) / optimum.at("weight_norm").get<double>(), 1, 1e-7);
  EXPECT_NEAR(run.fit.model.bias.at(0) / optimum.at("intercept").get<double>(), 1, 1e-4);
  for (const auto& [name, split] : run.splits)
    EXPECT_EQ(percent(measures::accuracy(predict_labels(run.fit.model, split.counts), split.labels)),
              optimum.at("accuracy_percent").at(name))
        << name;
  // Where others stop, early or by another road, F is no lower.
  EXPECT_LE(run.fit.objective, run.golden.at("recipe").at("objective").get<double>());
  EXPECT_LE(run.fit.objective, run.golden.at("newton_cg_tol_1e-10").at("objective").get<double>() + 1e-15);
  for (const Json& other : run.golden.at("recipe_with_columns_permuted"))
    EXPECT_LE(run.fit.objective, other.at("objective").get<double>());
}

TEST(LogregGolden, StrongestWordsAndTheirWeights) {
  ATTUNE_DATA_OR_SKIP(data);
  const Baseline& run = the_run(data);
  const std::array<const char*, 2> keys = {"most_negative", "most_positive"};
  for (int k = 0; k < 2; ++k) {
    const Json& expected = run.golden.at("optimum").at(keys[static_cast<std::size_t>(k)]);
    const auto found = strongest_columns(run.fit.model, k, static_cast<std::int64_t>(expected.size()));
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(run.vocabulary.word(found[i].column), expected[i][0].get<std::string>());
      EXPECT_NEAR(found[i].weight / expected[i][1].get<double>(), 1, 1e-6) << expected[i][0];
    }
  }
}

}  // namespace
}  // namespace attune
