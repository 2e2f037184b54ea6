// A small set of invented film reviews, for trying attune where no data is at hand.
//
// Each review praises or pans several aspects of a film and closes with a verdict that decides its label. What makes
// the job more than counting words: praise and blame both appear in every review, half of all judgements are negated
// ("not dull at all", "hardly a masterpiece"), some are hedged or put in other people's mouths, the verdict may turn
// the rest over
// ("despite all that, ..."), and a share of labels is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct LabelledText {
  std::string text;
  int label;  // 0 negative, 1 positive
};

/// `count` reviews from one seed; `noise` is the share of flipped labels, in [0, 1).
std::vector<LabelledText> synthetic_reviews(std::uint64_t seed, std::int64_t count, double noise);

}  // namespace attune
