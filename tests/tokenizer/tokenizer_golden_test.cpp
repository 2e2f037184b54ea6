// Every tokenizer against the reference library's ids: every row of golden/tokenizers/strings.jsonl and pairs.jsonl,
// for every tokenizer folder that the rows name. Both ways of loading a folder are checked.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
namespace fs = std::filesystem;

const char* const kFolders[] = {"gpt2", "roberta", "modernbert", "bert-base-uncased"};

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

void expect_strings(const Tokenizer& tokenizer, const std::string& name, const std::vector<Json>& rows) {
  int wrong = 0;
  for (const Json& row : rows) {
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
  for (const char* name : kFolders) expect_strings(*load_tokenizer(data / "tokenizers" / name), name, rows);
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
  for (const char* name : kFolders) {
    const auto tokenizer = load_tokenizer(data / "tokenizers" / name);
    int compared = 0;
    for (const Json& row : rows) {
      if (!row.contains(name)) continue;
      const Json& want = row[name];
      const auto a = row["a"].get<std::string>(), b = row["b"].get<std::string>();
      const Encoding whole = tokenizer->encode_pair(a, b), cut = tokenizer->encode_pair(a, b, {.max_length = 32});
      EXPECT_EQ(whole.ids, want["ids"].get<Ids>()) << name << ": " << row["a"] << " + " << row["b"];
      EXPECT_EQ(whole.type_ids, want["type_ids"].get<Ids>());
      EXPECT_EQ(cut.ids, want["ids_32"].get<Ids>()) << name << ": " << row["a"] << " + " << row["b"];
      EXPECT_EQ(cut.type_ids, want["type_ids_32"].get<Ids>());
      ++compared;
    }
    // The file holds no pairs of GPT-2, which has no template.
    EXPECT_EQ(compared > 0, std::string(name) != "gpt2") << name;
  }
}

}  // namespace
}  // namespace attune
