// Learns merges from counted words: the common part of training byte-level BPE and WordPiece.
//
// Each word is a row of symbols. The most frequent pair of neighbours, over all words with their counts, becomes one
// symbol everywhere (from the left if occurrences overlap). This repeats with the new pairs. Among equally frequent
// pairs, the one with the smaller left symbol goes first, then the smaller right one: the result depends on the words,
// their counts and the symbols' numbers alone, not on the order of the words.
//
// Reference: R. Sennrich, B. Haddow, A. Birch, "Neural machine translation of rare words with subword units", ACL 2016.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace attune {

struct CountedWord {
  std::vector<std::int32_t> symbols;
  std::int64_t count = 0;
};

/// Learns merges until no pair occurs `min_count` times (at least once), or join returns nothing. join(left, right)
/// names the symbol that a pair becomes; it may be one that exists already. It is called once per merge, in order.
void learn_merges(std::vector<CountedWord> words, std::int64_t min_count,
                  const std::function<std::optional<std::int32_t>(std::int32_t left, std::int32_t right)>& join);

}  // namespace attune
