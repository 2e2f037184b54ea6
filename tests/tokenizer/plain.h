// The plain implementations that the fast ones are held equal to: the splitter as the published pattern on RE2, merging
// as a search for the best pair until there is none, added tokens by trying all of them everywhere. Short and slow.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace re2 {
class RE2;
}

namespace attune::testing {

/// GPT-2's pre-split.
class PlainSplitter {
 public:
  PlainSplitter();
  ~PlainSplitter();
  std::vector<std::string> split(std::string_view text) const;

 private:
  std::unique_ptr<re2::RE2> pattern_;
};

/// Leftmost-longest, token by token, position by position (lstrip, but no rstrip or single_word): (text, id or -1).
std::vector<std::pair<std::string, std::int32_t>> plain_parts(std::string_view text,
                                                              const std::vector<AddedToken>& tokens,
                                                              bool parse_special);

/// A whole byte-level BPE tokenizer without template, from a tokenizer.json.
class PlainBpe {
 public:
  explicit PlainBpe(const std::string& tokenizer_json);
  std::vector<std::int32_t> encode(std::string_view text, bool parse_special) const;
  /// The ids of one piece.
  std::vector<std::int32_t> merge(std::string_view piece) const;

 private:
  std::map<std::string, std::int32_t> vocab_;
  std::map<std::pair<std::string, std::string>, int> ranks_;
  std::vector<AddedToken> raw_, normalized_;
  bool nfc_ = false;
  PlainSplitter splitter_;
};

}  // namespace attune::testing
