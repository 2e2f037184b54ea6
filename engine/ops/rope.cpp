#include "kernels/rope.h"

#include <cmath>
#include <utility>

#include "engine/ops/rope.h"
#include "engine/ops/run_on.h"

namespace attune::ops {

RopeTable RopeTable::make(std::int64_t positions, std::int64_t head_size, double theta) {
  CHECK(head_size % 2 == 0, "rope: a head of ", head_size, " channels does not split in halves");
  const std::int64_t half = head_size / 2;
  const RopeTable table{Tensor::empty({positions, half}, DType::kFloat32),
                        Tensor::empty({positions, half}, DType::kFloat32)};
  for (std::int64_t d = 0; d < half; ++d) {
    const float exponent = static_cast<float>(2 * d) / static_cast<float>(head_size);
    const float frequency = 1.0F / static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    for (std::int64_t p = 0; p < positions; ++p) {
      const auto angle = static_cast<double>(static_cast<float>(p) * frequency);
      table.cosines.values<float>()[static_cast<std::size_t>(p * half + d)] = static_cast<float>(std::cos(angle));
      table.sines.values<float>()[static_cast<std::size_t>(p * half + d)] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

namespace {

Tensor rotated(const char* op, Tensor qkv, const Sequences& sequences, std::int64_t heads, const RopeTable& table,
               bool inverse) {
  const Arguments args(op, "qkv", qkv);
  args.require_rank("qkv", qkv, 2);
  args.require_rank("cosines", table.cosines, 2);
  const std::int64_t positions = table.cosines.shape()[0], half = table.cosines.shape()[1], width = 6 * heads * half;
  args.require("qkv", qkv, {sequences.rows, width}, qkv.dtype());
  args.require("cosines", table.cosines, {positions, half}, DType::kFloat32);
  args.require("sines", table.sines, {positions, half}, DType::kFloat32);
  args.require("positions", sequences.positions, {sequences.rows}, DType::kInt32);
  CHECK(sequences.max_length <= positions, op, ": a sequence of ", sequences.max_length,
        " rows, but the table ends at position ", positions);
  CHECK(qkv.unique(), op, ": qkv shares its bytes with another tensor, and would be overwritten");
  // The keys follow the queries and rotate alike: together they are 2 H heads.
  run_on(qkv.device(), [&](const auto& context) {
    kernels::rope(context, {.x = qkv.raw(),
                            .cos_table = static_cast<const float*>(table.cosines.raw()),
                            .sin_table = static_cast<const float*>(table.sines.raw()),
                            .positions = static_cast<const std::int32_t*>(sequences.positions.raw()),
                            .rows = sequences.rows,
                            .heads = 2 * heads,
                            .head_size = 2 * half,
                            .row_stride = width,
                            .inverse = inverse,
                            .dtype = qkv.dtype()});
  });
  return qkv;
}

}  // namespace

Tensor rope_forward(Tensor&& qkv, const Sequences& sequences, std::int64_t heads, const RopeTable& table) {
  return rotated("rope", std::move(qkv), sequences, heads, table, false);
}

Tensor rope_backward(Tensor&& dy, const Sequences& sequences, std::int64_t heads, const RopeTable& table) {
  return rotated("rope backward", std::move(dy), sequences, heads, table, true);
}

}  // namespace attune::ops
