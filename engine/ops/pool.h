// One row per sequence: a chosen one, or the mean of all or of the real ones (kernels/pool.h).
// x: [N, C]; offsets: int32 [B + 1] or longer; lengths: int32 [B]; y: [B, C].
#pragma once

#include "engine/ops/args.h"
#include "kernels/pool.h"

namespace attune {

using kernels::PooledRows;

namespace ops {

/// Which rows of which sequences are pooled.
struct PooledSequences {
  Tensor offsets;  // first row of each sequence, one more at the end; those of further sequences may follow
  Tensor lengths;  // [B] real rows of each
  PooledRows rows;
};
Tensor pool_forward(const Tensor& x, const PooledSequences& sequences);
void pool_backward(const GradTarget& dx, const Tensor& dy, const PooledSequences& sequences);
/// int32 [B] from int32 [N]: the row key of the row that is pooled of each sequence, of which it must be one row.
Tensor pooled_row_keys(const Tensor& row_keys, const PooledSequences& sequences);

}  // namespace ops
}  // namespace attune
