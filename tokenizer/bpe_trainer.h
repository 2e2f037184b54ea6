// A new byte-level BPE vocabulary from texts.
//
// Texts are cut into pieces as in the finished tokenizer (split.h). A piece begins as its bytes. Then the most frequent
// pair of neighbours becomes a token, repeatedly (merge_learner.h), until the vocabulary is full. The vocabulary holds,
// in this order: the special tokens, the 256 bytes by the code points that stand for them, the tokens as they were
// learned. It depends on the texts alone, not on their order; among equally frequent pairs, the pair with the smaller
// ids goes first.
//
// Reference: huggingface/tokenizers, BpeTrainer with the byte-level alphabet, whose vocabulary and merges these are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace attune {

struct BpeTrainerOptions {
  std::int64_t vocab_size = 50257;
  std::int64_t min_frequency = 2;  // a pair that occurs less often is no token
  /// If "<s>" and "</s>" are among them, the tokenizer is like RoBERTa's (it puts them around texts), otherwise like
  /// GPT-2's.
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  bool add_prefix_space = false;
};

struct TrainedBpe {
  std::vector<std::string> tokens;                          // in order of id, spelled in the byte-level alphabet
  std::vector<std::pair<std::string, std::string>> merges;  // in order of rank
};

class BpeTrainer {
 public:
  /// Throws Error unless the special tokens are distinct, not empty, no bytes of the alphabet, and fit the vocabulary
  /// together with the 256 bytes.
  explicit BpeTrainer(BpeTrainerOptions options);

  /// Counts the pieces of a text. Throws Error on text that is not valid UTF-8.
  void add(std::string_view text);
  /// vocab_size tokens, or fewer if no more pairs are frequent enough. Throws Error if nothing was added.
  TrainedBpe train() const;

 private:
  BpeTrainerOptions options_;
  std::unordered_map<std::string, std::int64_t> counts_;  // of each piece
};

/// Name and content of the files that make a tokenizer's folder: vocab.json, merges.txt, tokenizer.json,
/// tokenizer_config.json.
std::vector<std::pair<std::string, std::string>> bpe_files(const TrainedBpe& trained, const BpeTrainerOptions& options);

}  // namespace attune
