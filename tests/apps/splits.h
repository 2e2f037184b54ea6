// A small file of texts, and a tokenizer that counts, for tests of reading with and without stored ids.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "apps/support/text_data.h"
#include "engine/io/files.h"
#include "tests/support/data.h"
#include "tests/support/words_of.h"
#include "tokenizer/template.h"

namespace attune::testing {

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
    out.cut = out.ids.size() < text.size();
    return out;
  }
  Encoding encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options) const override {
    Encoding out = encode(a, options);
    const Encoding second = encode(b, {});
    out.ids.insert(out.ids.end(), second.ids.begin(), second.ids.end());
    out.type_ids.resize(out.ids.size(), 1);
    return out;
  }
  Windows encode_windows(std::string_view text, const EncodeOptions& options, std::int64_t overlap) const override {
    ++encoded;
    return Template().windows(encode(text, {}).ids, options, overlap);
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
    const Dataset out = SplitReader(tokenizer_, columns, labels, cache_).read({path_}, max_rows, max_length);
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
    for (const auto& entry : std::filesystem::directory_iterator(cache_)) out.push_back(entry.path().string());
    return out;
  }

  TempDir folder_;
  std::string path_ = folder_ / "train.csv", cache_ = folder_ / "cache/attune";
  ByteTokenizer tokenizer_;
  bool hit_ = false;
};

}  // namespace attune::testing
