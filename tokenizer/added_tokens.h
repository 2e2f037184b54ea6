// Finds added tokens ("[MASK]", "<|endoftext|>", runs of spaces) in a text before the model reads it.
//
// A search is leftmost-longest: among the tokens that begin at the first possible place, the longest wins, and the
// search continues after it. lstrip and rstrip extend a match over the white space next to it (on the left never past
// the previous match); a single_word token counts only if no word character is next to it. The text between matches is
// plain text.
//
// There are two stages: tokens with normalized = false are searched for in the original text, the others in the
// remaining text after its normalisation; their own spelling is normalised too.
//
// Reference behaviour: added_vocabulary.rs of huggingface/tokenizers.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune {

struct AddedToken {
  std::string content;
  std::int32_t id = -1;
  bool lstrip = false;
  bool rstrip = false;
  bool single_word = false;
  bool normalized = false;
  bool special = false;
};

/// A piece of a text: an added token, or plain text (id -1).
struct TextPart {
  std::string_view text;
  std::int32_t id = -1;
};

/// One stage of added tokens, searched for with a trie of their bytes.
class AddedTokenSearch {
 public:
  AddedTokenSearch() : begins_with_{} {}
  /// Tokens with an empty content are ignored, as the reference does.
  explicit AddedTokenSearch(std::vector<AddedToken> tokens);

  /// Appends the parts of `text` (valid UTF-8) in order. With parse_special = false, special tokens are skipped and
  /// become plain text.
  void split(std::string_view text, bool parse_special, std::vector<TextPart>& parts) const;

 private:
  struct Match {
    std::size_t begin = 0, end = 0;
    const AddedToken* token = nullptr;  // nullptr: no match
  };
  /// The leftmost-longest match that begins at or after `from`.
  Match find(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;
  std::array<bool, 256> begins_with_;                          // first bytes of all tokens
  std::string first_bytes_;                                    // the same as a list
  std::vector<bool> begins_with_two_;                          // [65536] first two bytes of all tokens
  std::unordered_map<std::uint64_t, std::uint32_t> children_;  // node << 8 | byte -> node; the root is 0
  std::vector<std::int32_t> ends_;                             // [nodes] index of the token that ends there, or -1
};

/// All added tokens of a tokenizer, in their two stages.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// `normalize` turns a text into its normalised form, as the tokenizer's normaliser does.
  AddedTokens(const std::vector<AddedToken>& tokens, const std::function<std::string(std::string_view)>& normalize);

  /// Before normalisation.
  const AddedTokenSearch& raw() const { return raw_; }
  /// After normalisation.
  const AddedTokenSearch& normalized() const { return normalized_; }
  /// The added token of an id, or nullptr.
  const AddedToken* find(std::int32_t id) const;

 private:
  AddedTokenSearch raw_, normalized_;
  std::unordered_map<std::int32_t, AddedToken> by_id_;
};

}  // namespace attune
