// Pair counts are updated after each merge: only the words that contain the merged pair are read again. The queue may
// contain outdated counts; an entry with an outdated count is put back with the current count when it is popped.
#include "tokenizer/merge_learner.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

namespace attune {
namespace {

using Pair = std::uint64_t;  // left << 32 | right: pairs compare by left, then by right

Pair pair_of(std::int32_t left, std::int32_t right) {
  return Pair{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

struct PairCount {
  std::int64_t count = 0;
  std::vector<std::uint32_t>
      words;  // words that may contain the pair, in order of discovery; some twice, some no longer
};

struct Candidate {
  std::int64_t count;
  Pair pair;

  /// Whether `other` goes first.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class MergeLearner {
 public:
  explicit MergeLearner(std::vector<CountedWord> words) : words_(std::move(words)) {
    for (std::uint32_t i = 0; i < words_.size(); ++i) count_pairs(i, +1);
    for (const auto& [pair, counted] : pairs_) queue_.push({counted.count, pair});
  }

  /// The most frequent pair and its count, or nothing if none is left.
  std::optional<Candidate> best() {
    while (!queue_.empty()) {
      const Candidate top = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(top.pair);
      const std::int64_t now = found == pairs_.end() ? 0 : found->second.count;
      if (now == top.count && now > 0) return top;
      if (now > 0 && now < top.count) queue_.push({now, top.pair});
    }
    return std::nullopt;
  }

  void merge(Pair pair, std::int32_t left, std::int32_t right, std::int32_t joined) {
    std::vector<std::uint32_t> touched = std::move(pairs_.at(pair).words);
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    changed_.clear();
    for (const std::uint32_t i : touched) {
      count_pairs(i, -1);
      replace(words_[i].symbols, left, right, joined);
      count_pairs(i, +1);
    }
    pairs_.erase(pair);
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const Pair grown : changed_) {
      const auto found = pairs_.find(grown);
      if (found != pairs_.end() && found->second.count > 0) queue_.push({found->second.count, grown});
    }
  }

 private:
  // Adds (sign +1) or subtracts (-1) the pairs of a word.
  void count_pairs(std::uint32_t word, int sign) {
    const CountedWord& counted = words_[word];
    for (std::size_t i = 0; i + 1 < counted.symbols.size(); ++i) {
      const Pair pair = pair_of(counted.symbols[i], counted.symbols[i + 1]);
      PairCount& its_count = pairs_[pair];
      its_count.count += sign * counted.count;
      if (sign > 0 && (its_count.words.empty() || its_count.words.back() != word)) its_count.words.push_back(word);
      if (sign > 0) changed_.push_back(pair);
    }
  }

  static void replace(std::vector<std::int32_t>& symbols, std::int32_t left, std::int32_t right, std::int32_t joined) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < symbols.size(); ++size) {
      const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
      symbols[size] = here ? joined : symbols[i];
      i += here ? 2 : 1;
    }
    symbols.resize(size);
  }

  std::vector<CountedWord> words_;
  std::unordered_map<Pair, PairCount> pairs_;
  std::vector<Pair> changed_;  // pairs counted again since the last merge
  std::priority_queue<Candidate> queue_;
};

}  // namespace

void learn_merges(std::vector<CountedWord> words, std::int64_t min_count,
                  const std::function<std::optional<std::int32_t>(std::int32_t, std::int32_t)>& join) {
  MergeLearner learner(std::move(words));
  while (const auto best = learner.best()) {
    if (best->count < min_count) return;
    const auto left = static_cast<std::int32_t>(best->pair >> 32);
    const auto right = static_cast<std::int32_t>(best->pair & 0xFFFFFFFFu);
    const auto joined = join(left, right);
    if (!joined) return;
    learner.merge(best->pair, left, right, *joined);
  }
}

}  // namespace attune
