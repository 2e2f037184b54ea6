// A small set of invented film reviews, for trying attune where no data is at hand.
//
// What makes the job more than counting words: half of all judgements are negated ("not dull at all", "hardly
// clever"), some are hedged or put in other people's mouths, the verdicts for and against are made of the same words, and
// a share of labels is wrong. Most reviews are one sentence, which decides, so that a small model can learn what
// each phrase means; in the others judgements for and against come before the verdict that decides.
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
