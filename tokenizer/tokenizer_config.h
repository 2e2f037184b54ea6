// tokenizer_config.json, which adds to the vocabulary: the class, the special tokens by role, their flags.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/vocabulary.h"

namespace attune {

class TokenizerConfig {
 public:
  /// Everything unset, as if there is no file.
  TokenizerConfig() = default;
  explicit TokenizerConfig(json::Value root) : root_(std::move(root)) {}

  /// tokenizer_class without a "Fast" at its end ("GPT2Tokenizer"), or "".
  std::string tokenizer_class() const;
  bool boolean_or(std::string_view key, bool otherwise) const;
  /// The spelling of a role's token ("pad_token"): a string or an object with "content". `otherwise` if it is unset.
  std::string token_or(std::string_view role, const std::string& otherwise) const;
  /// The tokens of added_tokens_decoder with their flags; those the vocabulary lacks are added to it. Throws Error if
  /// an id contradicts the vocabulary.
  std::vector<AddedToken> added_tokens(Vocabulary& vocabulary) const;

 private:
  std::optional<json::Value> root_;
};

/// One added token from its JSON object, whose id is kept in `id`. The flags of a missing key are false, `normalized`
/// is the opposite of `special`. A token the vocabulary lacks is added to it; Throws Error if its id contradicts the
/// vocabulary.
AddedToken read_added_token(const json::Value& node, std::int64_t id, Vocabulary& vocabulary);

}  // namespace attune
