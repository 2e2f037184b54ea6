// A small set of invented film reviews, to try attune without data.
//
// Counting words is not enough: half of all judgements are negated ("not dull at all", "hardly clever"), some are
// hedged or quoted from other people, positive and negative verdicts use the same words, and a share of labels is
// wrong. Most reviews are one sentence, which decides the label, so that a small model can learn each phrase. In the
// others, positive and negative judgements come before the verdict, which decides.
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
