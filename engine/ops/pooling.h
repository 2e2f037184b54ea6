// One row per sequence: the mean of a range of rows, of a single row where the range has one (kernels/pooling.h).
// x: [N, C]; begins, ends: int32 [B]; y: [B, C].
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

struct RowRanges {
  Tensor begins, ends;
};
Tensor pool_forward(const Tensor& x, const RowRanges& ranges);
void pool_backward(const GradTarget& dx, const Tensor& dy, const RowRanges& ranges);

}  // namespace attune::ops
