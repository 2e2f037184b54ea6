#include "engine/ops/rank_sum.h"

#include "engine/ops/run_on.h"
#include "kernels/rank_sum.h"

namespace attune::ops {
namespace {

kernels::RankSum arguments_of(const Tensor& y, const Tensor& x) {
  const Arguments args("rank sum", "x", x);
  args.require_rank("x", x, 2);
  args.require("y", y, {x.shape()[1]}, x.dtype());
  return {.y = y.raw(), .x = x.raw(), .ranks = x.shape()[0], .n = x.shape()[1], .dtype = x.dtype()};
}

}  // namespace

void rank_sum(const InPlace& y, const Tensor& x) {
  const kernels::RankSum args = arguments_of(y.tensor, x);
  run_on(x.device(), [&](const auto& context) { kernels::rank_sum(context, args); });
}

void rank_sum(const InPlace& y, const Tensor& x, const ExchangeStream& stream) {
  const kernels::RankSum args = arguments_of(y.tensor, x);
  CHECK(x.device() == Device::kCuda, "rank sum: a tensor on the ", x.device(), " was to be added on a stream");
  if constexpr (kernels::kHasCudaOps) kernels::rank_sum(stream.context(), args);
}

}  // namespace attune::ops
