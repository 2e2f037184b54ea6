// WordPiece: words are cut greedily, from the left, into the longest pieces in the vocabulary.
//
//   text -> normalise (bert_normalizer.h) -> words, at White_Space and at each punctuation mark -> pieces
//
// A piece that does not begin its word is looked up with the prefix "##". If no piece fits at some place, or if a word
// has more than max_chars code points, the whole word is one [UNK]. Reference: wordpiece and pre_tokenizers/bert.rs and
// decoders/wordpiece.rs of huggingface/tokenizers.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tokenizer/bert_normalizer.h"
#include "tokenizer/byte_trie.h"
#include "tokenizer/text_model.h"
#include "tokenizer/vocabulary.h"

namespace attune {

struct WordPieceOptions {
  std::optional<BertNormalizerOptions> normalizer = std::nullopt;  // nullopt: the text is not changed
  std::string prefix = "##";
  std::int64_t max_chars = 100;  // longest word, in code points
  std::int32_t unknown_id = -1;  // required
  bool cleanup = true;           // whether decoding removes the space before "." and similar marks
};

class WordPiece final : public TextModel {
 public:
  /// The vocabulary's tokens are copied.
  WordPiece(const Vocabulary& vocabulary, WordPieceOptions options);

  bool normalize(std::string_view text, std::string& out) const override;
  void encode(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const override;
  void append_decoded(std::string_view token, bool added, bool first, std::string& out) const override;

 private:
  /// Appends the pieces of one word.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  WordPieceOptions options_;
  std::optional<FastBertNormalizer> normalizer_;
  ByteTrie trie_;
  ByteTrie::State continuation_;  // after the prefix, or kNone
};

}  // namespace attune
