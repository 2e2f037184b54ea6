#include "engine/data/batch_part.h"

#include <vector>

namespace attune {

std::span<const std::int32_t> part_of_batch(std::span<const std::int32_t> batch, int rank, int world,
                                            std::span<const std::int32_t> lengths) {
  const auto tokens = [&](std::int32_t row) {
    return lengths.empty() ? std::int64_t{1} : std::int64_t{lengths[static_cast<std::size_t>(row)]};
  };
  std::int64_t all = 0, before = 0;
  for (const std::int32_t row : batch) all += tokens(row);
  std::size_t first = 0, count = 0;
  for (const std::int32_t row : batch) {  // to the rank in whose part of the tokens its middle is
    const std::int64_t owner = (2 * before + tokens(row)) * world / (2 * all);
    if (owner < rank) ++first;
    if (owner == rank) ++count;
    before += tokens(row);
  }
  return batch.subspan(first, count);
}

}  // namespace attune
