// All 50,000 reviews through every tokenizer, whole and cut: counts, lengths and digests of the ids against
// golden/tokenizers/digests.json.
#include <gtest/gtest.h>

#include <filesystem>

#include "apps/support/id_report.h"
#include "engine/io/csv.h"
#include "json/value.h"
#include "tests/support/data.h"
#include "tests/support/imdb.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Texts = std::vector<std::string>;

Texts texts_of(const std::filesystem::path& csv) {
  CsvReader reader(csv.string());
  const std::size_t column = reader.column("text");
  Texts texts;
  for (Texts fields; reader.next(fields);) texts.push_back(std::move(fields[column]));
  return texts;
}

void expect_whole(const std::vector<std::vector<std::int32_t>>& ids, const json::Value& want) {
  IdDigest digest;
  LengthReport lengths;
  for (const auto& row : ids) {
    digest.add(row);
    lengths.add(row.size());
  }
  EXPECT_EQ(digest.hex(), want["full"].string());
  EXPECT_EQ(lengths.rows(), want["rows"].integer());
  EXPECT_EQ(lengths.total(), want["ids"].integer());
  EXPECT_EQ(lengths.longest(), want["max_length"].integer());
  EXPECT_NEAR(lengths.mean(), want["mean_length"].number(), 0.0005 + 1e-9);  // rounded to three places there
}

void expect_cut(const Tokenizer& tokenizer, const Texts& texts, const json::Value& want) {
  const std::string prefix = "truncated_";
  want.for_each([&](const std::string& key, const json::Value& digest) {
    if (!key.starts_with(prefix)) return;
    IdDigest cut;
    const std::int64_t limit = std::stoll(key.substr(prefix.size()));
    for (const auto& row : tokenizer.encode_batch(texts, {.max_length = limit})) cut.add(row);
    EXPECT_EQ(cut.hex(), digest.string()) << key;
  });
}

TEST(ReviewsGolden, EveryTokenizerWholeAndCut) {
  ATTUNE_DATA_OR_SKIP(data);
  const json::Value golden = json::read((data / "golden/tokenizers/digests.json").string())["tokenizers"];
  ASSERT_GT(golden.size(), 0u);
  const auto csvs = testing::imdb_csvs(data);
  golden.for_each([&](const std::string& name, const json::Value& parts) {
    const auto tokenizer = load_tokenizer(data / "tokenizers" / name);
    parts.for_each([&](const std::string& part, const json::Value& want) {
      SCOPED_TRACE(name + ", " + part);
      const Texts texts = texts_of(csvs / (part + ".csv"));
      expect_whole(tokenizer->encode_batch(texts), want);
      expect_cut(*tokenizer, texts, want);
    });
  });
}

}  // namespace
}  // namespace attune
