// All 50,000 reviews through every tokenizer, whole and cut: counts, lengths and digests of the ids against
// golden/tokenizers/digests.json.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/support/id_report.h"
#include "engine/io/csv.h"
#include "tests/support/data.h"
#include "tests/support/imdb.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Json = nlohmann::json;

using Texts = std::vector<std::string>;

Texts texts_of(const std::filesystem::path& csv) {
  CsvReader reader(csv.string());
  const std::size_t column = reader.column("text");
  Texts texts;
  for (Texts fields; reader.next(fields);) texts.push_back(std::move(fields[column]));
  return texts;
}

void expect_whole(const std::vector<std::vector<std::int32_t>>& ids, const Json& want) {
  IdDigest digest;
  LengthReport lengths;
  for (const auto& row : ids) {
    digest.add(row);
    lengths.add(row.size());
  }
  EXPECT_EQ(digest.hex(), want["full"].get<std::string>());
  EXPECT_EQ(lengths.rows(), want["rows"].get<std::int64_t>());
  EXPECT_EQ(lengths.total(), want["ids"].get<std::int64_t>());
  EXPECT_EQ(lengths.longest(), want["max_length"].get<std::int64_t>());
  EXPECT_NEAR(lengths.mean(), want["mean_length"].get<double>(), 0.0005 + 1e-9);  // rounded to three places there
}

void expect_cut(const Tokenizer& tokenizer, const Texts& texts, const Json& want) {
  const std::string prefix = "truncated_";
  for (const auto& [key, digest] : want.items()) {
    if (!key.starts_with(prefix)) continue;
    IdDigest cut;
    const std::int64_t limit = std::stoll(key.substr(prefix.size()));
    for (const auto& row : tokenizer.encode_batch(texts, {.max_length = limit})) cut.add(row);
    EXPECT_EQ(cut.hex(), digest.get<std::string>()) << key;
  }
}

TEST(ReviewsGolden, EveryTokenizerWholeAndCut) {
  ATTUNE_DATA_OR_SKIP(data);
  std::ifstream file(data / "golden/tokenizers/digests.json");
  ASSERT_TRUE(file) << "golden/tokenizers/digests.json is missing";
  const Json golden = Json::parse(file)["tokenizers"];
  ASSERT_FALSE(golden.empty());
  const auto csvs = testing::imdb_csvs(data);
  for (const auto& [name, parts] : golden.items()) {
    const auto tokenizer = load_tokenizer(data / "tokenizers" / name);
    for (const auto& [part, want] : parts.items()) {
      SCOPED_TRACE(name + ", " + part);
      const Texts texts = texts_of(csvs / (part + ".csv"));
      expect_whole(tokenizer->encode_batch(texts), want);
      expect_cut(*tokenizer, texts, want);
    }
  }
}

}  // namespace
}  // namespace attune
