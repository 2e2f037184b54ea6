// The sum of what the processes of a run have, in the order of the ranks (kernels/rank_sum.h).
#pragma once

#include "engine/ops/args.h"
#include "engine/tensor/exchange_stream.h"

namespace attune::ops {

/// y = x[0] + x[1] + ...: y [n], x [R, n]. They share no bytes.
void rank_sum(const InPlace& y, const Tensor& x);
/// The same as work of the stream, on device tensors.
void rank_sum(const InPlace& y, const Tensor& x, const ExchangeStream& stream);

}  // namespace attune::ops
