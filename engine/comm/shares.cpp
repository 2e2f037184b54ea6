#include "engine/comm/shares.h"

#include <algorithm>
#include <numeric>

#include "base/math.h"

namespace attune {

Shares::Shares(Communicator& processes, const std::vector<std::int64_t>& sizes, std::int64_t grain)
    : processes_(processes) {
  std::vector<std::size_t> ranks(static_cast<std::size_t>(processes.world()));
  std::iota(ranks.begin(), ranks.end(), 0);
  std::vector<std::int64_t> held(ranks.size());  // elements of each rank so far
  for (const std::int64_t size : sizes) {
    std::vector<std::int64_t> counts(ranks.size());  // pieces
    const auto load = [&](std::size_t r) { return held[r] + counts[r] * grain; };
    for (std::int64_t left = ceil_div(size, grain); left > 0; --left)
      ++counts[*std::ranges::min_element(ranks, {}, load)];
    std::vector<std::int64_t>& ends = ends_.emplace_back();
    std::int64_t end = 0;
    for (const std::size_t r : ranks) {
      const std::int64_t begin = end;
      end = std::min(begin + counts[r] * grain, size);
      held[r] += end - begin;
      ends.push_back(end);
    }
  }
}

Shares::Part Shares::part(std::size_t array, int rank) const {
  const std::vector<std::int64_t>& ends = ends_[array];
  const auto r = static_cast<std::size_t>(rank);
  return {r == 0 ? 0 : ends[r - 1], ends[r]};
}

}  // namespace attune
