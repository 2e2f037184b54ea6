// All 50,000 reviews, in the reference recipe's three parts, made from the archive:
//   through every tokenizer, whole and cut: counts, lengths and digests of the ids against
//   golden/tokenizers/digests.json; as words: counts and the digest of the vocabulary against golden/logreg.json.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "apps/support/id_report.h"
#include "apps/support/imdb.h"
#include "engine/io/csv.h"
#include "tests/support/data.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

using Json = nlohmann::json;

using Texts = std::vector<std::string>;

// The texts of each part ("train", "validation", "test"), read once.
const std::map<std::string, Texts>& reviews(const std::filesystem::path& data) {
  static const std::map<std::string, Texts> parts = [&data] {
    const testing::TempDir folder;
    const auto all = read_imdb_archive(data / "imdb/aclImdb_labeled.tar.xz", [](std::int64_t, std::int64_t) {});
    write_imdb_splits(all, folder.path());
    std::map<std::string, Texts> out;
    for (const char* part : {"train", "validation", "test"}) {
      CsvReader reader(folder / (std::string(part) + ".csv"));
      const std::size_t column = reader.column("text");
      for (Texts fields; reader.next(fields);) out[part].push_back(std::move(fields[column]));
    }
    return out;
  }();
  return parts;
}

Json golden_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path << " is missing";
  return Json::parse(file);
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
  const Json golden = golden_file(data / "golden/tokenizers/digests.json")["tokenizers"];
  ASSERT_FALSE(golden.empty());
  for (const auto& [name, parts] : golden.items()) {
    const auto tokenizer = load_tokenizer(data / "tokenizers" / name);
    for (const auto& [part, want] : parts.items()) {
      SCOPED_TRACE(name + ", " + part);
      const Texts& texts = reviews(data).at(part);
      expect_whole(tokenizer->encode_batch(texts), want);
      expect_cut(*tokenizer, texts, want);
    }
  }
}

TEST(ReviewsGolden, WordsOfTheBagOfWords) {
  ATTUNE_DATA_OR_SKIP(data);
  const Json golden = golden_file(data / "golden/logreg.json");
  std::set<std::string> vocabulary;
  std::string lowered;
  std::vector<std::string_view> words;
  for (const std::string& text : reviews(data).at("train")) {
    split_words(text, lowered, words);
    vocabulary.insert(words.begin(), words.end());
  }
  EXPECT_EQ(vocabulary.size(), golden["vocabulary"].get<std::size_t>());
  std::string listed;
  for (const std::string& word : vocabulary) listed += (listed.empty() ? "" : "\n") + word;
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(listed))), golden["vocabulary_sha256"].get<std::string>());
  for (const auto& [part, total] : golden["total_count"].items()) {
    std::int64_t known = 0, distinct = 0;
    for (const std::string& text : reviews(data).at(part)) {
      split_words(text, lowered, words);
      std::set<std::string_view> of_this_text;
      for (const std::string_view word : words) {
        if (!vocabulary.contains(std::string(word))) continue;
        ++known;
        of_this_text.insert(word);
      }
      distinct += static_cast<std::int64_t>(of_this_text.size());
    }
    EXPECT_EQ(known, total.get<std::int64_t>()) << part;
    EXPECT_EQ(distinct, golden["nonzeros"][part].get<std::int64_t>()) << part;
  }
}

}  // namespace
}  // namespace attune
