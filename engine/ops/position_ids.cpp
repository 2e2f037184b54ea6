#include "engine/ops/position_ids.h"

#include "engine/ops/run_on.h"
#include "kernels/position_ids.h"

namespace attune::ops {

Tensor position_ids(const Tensor& ids, const Sequences& sequences, std::int32_t padding_id) {
  const Arguments args("position ids", "token ids", ids);
  args.require("token ids", ids, {sequences.rows}, DType::kInt32);
  args.require("offsets", sequences.offsets, {sequences.count + 1}, DType::kInt32);
  Tensor out = Tensor::empty(ids.shape(), DType::kInt32, ids.device());
  run_on(ids.device(), [&](const auto& context) {
    kernels::position_ids(context, {.out = static_cast<std::int32_t*>(out.raw()),
                                    .ids = static_cast<const std::int32_t*>(ids.raw()),
                                    .offsets = static_cast<const std::int32_t*>(sequences.offsets.raw()),
                                    .sequences = sequences.count,
                                    .padding_id = padding_id});
  });
  return out;
}

}  // namespace attune::ops
