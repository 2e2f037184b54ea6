// What a run's texts are like: their lengths, which are empty, and which occur more than once.
//
// A mark of 64 bits is all that is kept of a text: a hash, and whether the text is empty and was cut. Texts with the same
// hash count as equal.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/data/dataset.h"

namespace attune {

/// The mark of a text, or of a pair of texts: a hash of 62 bits above two bits, whether all is white space and whether
/// it was cut to the maximum length.
std::int64_t text_mark(std::string_view text, std::string_view pair, bool cut);

/// Whether two marks are of the same text, cut or not.
bool same_text(std::int64_t mark, std::int64_t other);

/// Lengths in tokens, after cutting; of a text of several windows, the tokens of all of them.
struct TokenLengths {
  std::int64_t median = 0, percentile_95 = 0, longest = 0;  // percentiles: nearest rank
  double cut = 0;                                           // share of the texts that were cut
  std::optional<std::int64_t> windows = {};                 // of all texts; none if long texts are cut
};

struct TextFacts {
  std::vector<std::int64_t> hashes;  // sorted
  std::int64_t empty = 0;
  std::optional<TokenLengths> lengths = {};  // none if the texts were not tokenized
};

/// Of a data set that is not empty and has marks.
TextFacts facts_of(const Dataset& split);
/// Of texts that were not tokenized.
TextFacts facts_of(std::span<const std::string> texts);

/// Texts of a split that occur before in the same split.
std::int64_t repeated(const TextFacts& split);
/// Texts of a split that another one has too.
std::int64_t shared(const TextFacts& split, const TextFacts& other);

}  // namespace attune
