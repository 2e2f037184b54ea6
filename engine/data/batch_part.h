// The part of a training batch that one of several processes has.
//
// The order of the texts and the batches are those of one process (engine/data/loader.h). Each batch is cut into as many
// parts as there are ranks, in its order: with equal numbers of texts, or with about equal numbers of tokens.
#pragma once

#include <cstdint>
#include <span>

namespace attune {

/// What rank `rank` of `world` has of a batch: consecutive rows, perhaps none. Without `lengths` the parts differ by at
/// most one row. `lengths`: tokens of every row of the split, at least 1; a part then has at most the tokens of the batch
/// / world, and those of one row more.
std::span<const std::int32_t> part_of_batch(std::span<const std::int32_t> batch, int rank, int world,
                                            std::span<const std::int32_t> lengths = {});

}  // namespace attune
