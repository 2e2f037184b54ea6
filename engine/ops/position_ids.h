// RoBERTa's positions: those of tokens that are not padding, counted (kernels/position_ids.h). ids: int32 [N] -> int32 [N].
#pragma once

#include "engine/ops/args.h"
#include "engine/ops/sequences.h"

namespace attune::ops {

Tensor position_ids(const Tensor& ids, const Sequences& sequences, std::int32_t padding_id);

}  // namespace attune::ops
