// Every tokenizer against the reference library's ids: every row of golden/tokenizers/strings.jsonl and pairs.jsonl,
// for every tokenizer folder that the rows name. Both ways of loading a folder are checked.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/data.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
namespace fs = std::filesystem;

// Files that load_tokenizer can do with where there is no tokenizer.json.
const std::map<std::string, std::vector<const char*>> kOtherFiles = {{"gpt2", {"vocab.json", "merges.txt"}},
                                                                     {"roberta", {"vocab.json", "merges.txt"}},
                                                                     {"bert-base-uncased", {"vocab.txt"}}};

std::vector<Json> rows_of(const fs::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path << " is missing";
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(Json::parse(line));
  EXPECT_FALSE(rows.empty()) << path << " is empty";
  return rows;
}

// The tokenizers that rows hold ids of: their keys besides the texts.
std::set<std::string> names_in(const std::vector<Json>& rows) {
  std::set<std::string> names;
  for (const Json& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (key != "text" && key != "a" && key != "b") names.insert(key);
    }
  }
  EXPECT_FALSE(names.empty());
  return names;
}

void expect_strings(const Tokenizer& tokenizer, const std::string& name, const std::vector<Json>& rows) {
  int wrong = 0;
  for (const Json& row : rows) {
    if (!row.contains(name)) continue;
    const auto text = row["text"].get<std::string>();
    if (tokenizer.encode(text).ids != row[name].get<Ids>() && ++wrong <= 5)
      ADD_FAILURE() << name << ": " << row["text"].dump() << "\n  got  " << Json(tokenizer.encode(text).ids)
                    << "\n  want " << row[name];
  }
  EXPECT_EQ(wrong, 0) << "of " << rows.size() << " strings";
}

TEST(TokenizerGolden, EveryString) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto rows = rows_of(data / "golden/tokenizers/strings.jsonl");
  for (const std::string& name : names_in(rows))
    expect_strings(*load_tokenizer(data / "tokenizers" / name), name, rows);
}

// A published model with BERT's vocabulary, whose tokenizer.json asks for truncation and padding of its own: not
// heeded.
TEST(TokenizerGolden, EveryStringWithTheTokenizerOfAModel) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto rows = rows_of(data / "golden/tokenizers/strings.jsonl");
  const fs::path model = data / "models/all-MiniLM-L6-v2";
  expect_strings(*load_tokenizer(model), "bert-base-uncased", rows);
  testing::TempDir folder;
  for (const char* file : {"vocab.txt", "tokenizer_config.json"}) fs::copy(model / file, folder / file);
  expect_strings(*load_tokenizer(folder.path()), "bert-base-uncased", rows);
}

TEST(TokenizerGolden, EveryStringWithoutTokenizerJson) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto rows = rows_of(data / "golden/tokenizers/strings.jsonl");
  for (const auto& [name, files] : kOtherFiles) {
    for (const bool with_config : {true, false}) {
      testing::TempDir folder;
      const auto copy = [&](const char* file) { fs::copy(data / "tokenizers" / name / file, folder / file); };
      for (const char* file : files) copy(file);
      if (with_config && fs::exists(data / "tokenizers" / name / "tokenizer_config.json"))
        copy("tokenizer_config.json");
      expect_strings(*load_tokenizer(folder.path()), name, rows);
    }
  }
}

TEST(TokenizerGolden, EveryPair) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto rows = rows_of(data / "golden/tokenizers/pairs.jsonl");
  for (const std::string& name : names_in(rows)) {
    const auto tokenizer = load_tokenizer(data / "tokenizers" / name);
    for (const Json& row : rows) {
      if (!row.contains(name)) continue;
      const Json& want = row[name];
      const auto a = row["a"].get<std::string>(), b = row["b"].get<std::string>();
      const Encoding whole = tokenizer->encode_pair(a, b), cut = tokenizer->encode_pair(a, b, {.max_length = 32});
      EXPECT_EQ(whole.ids, want["ids"].get<Ids>()) << name << ": " << row["a"] << " + " << row["b"];
      EXPECT_EQ(whole.type_ids, want["type_ids"].get<Ids>());
      EXPECT_EQ(cut.ids, want["ids_32"].get<Ids>()) << name << ": " << row["a"] << " + " << row["b"];
      EXPECT_EQ(cut.type_ids, want["type_ids_32"].get<Ids>());
    }
  }
}

// Rows published with the reference libraries' own tests.
TEST(TokenizerGolden, PublishedRowsOfBert) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto bert = load_tokenizer(data / "tokenizers" / "bert-base-uncased");
  const auto tokens = [&bert](std::string_view text) {
    std::string out;
    for (const std::int32_t id : bert->encode(text).ids) out += (out.empty() ? "" : " ") + bert->token(id);
    return out;
  };
  EXPECT_EQ(tokens(" \tHeLLo!how  \n Are yoU?  "), "[CLS] hello ! how are you ? [SEP]");
  EXPECT_EQ(tokens("a\n'll !!to?'d of, can't."), "[CLS] a ' ll ! ! to ? ' d of , can ' t . [SEP]");
  EXPECT_EQ(tokens("A, na\u00efve [MASK] AllenNLP sentence."),
            "[CLS] a , naive [MASK] allen ##nl ##p sentence . [SEP]");
  EXPECT_EQ(tokens("\u00ad"), "[CLS] [SEP]");
  const Encoding pair = bert->encode_pair("My name is John", "pair");
  EXPECT_EQ(pair.ids, (Ids{101, 2026, 2171, 2003, 2198, 102, 3940, 102}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 0, 0, 0, 0, 0, 1, 1}));
}

}  // namespace
}  // namespace attune
