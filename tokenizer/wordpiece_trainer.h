// A new WordPiece vocabulary from texts.
//
// Texts are normalised and cut into words as in the finished tokenizer. A word begins as its characters, all except the
// first with the prefix "##". Then the most frequent pair of neighbours becomes a piece, repeatedly (merge_learner.h),
// until the vocabulary is full. The vocabulary holds, in this order: the special tokens, the characters, the characters
// with the prefix (both by code point), the pieces as they were learned. It depends on the texts alone, not on their
// order.
//
// Reference: huggingface/tokenizers, trainers WordPiece and BPE (where the order of equal pairs is random).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/wordpiece.h"

namespace attune {

struct WordPieceTrainerOptions {
  std::int64_t vocab_size = 30522;
  std::int64_t min_frequency = 2;  // a pair that occurs less often is no piece
  std::int64_t limit_alphabet =
      1000;  // the maximum number of characters, the most frequent ones; words with other characters are not used
  std::vector<std::string> special_tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  BertNormalizerOptions normalizer = {};
};

class WordPieceTrainer {
 public:
  /// Throws Error unless the special tokens are distinct, not empty and hold [UNK], [CLS] and [SEP].
  explicit WordPieceTrainer(WordPieceTrainerOptions options);

  /// Counts the words of a text. Throws Error on text that is not valid UTF-8.
  void add(std::string_view text);
  /// The tokens in order of id: vocab_size of them, or fewer if no more pairs are frequent enough. Throws Error if
  /// nothing was added, or vocab_size has no room for the special tokens and characters.
  std::vector<std::string> train() const;

 private:
  struct Alphabet;
  Alphabet alphabet() const;

  WordPieceTrainerOptions options_;
  FastBertNormalizer normalizer_;
  std::unordered_map<std::string, std::int64_t> counts_;  // of each word
  std::string normal_form_;                               // of the text that is being added
};

/// Name and content of the files that make `tokens` a tokenizer's folder: vocab.txt, tokenizer.json,
/// tokenizer_config.json.
std::vector<std::pair<std::string, std::string>> wordpiece_files(const std::vector<std::string>& tokens,
                                                                 const WordPieceTrainerOptions& options);

}  // namespace attune
