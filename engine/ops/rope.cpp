#include "kernels/rope.h"

#include <cmath>

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

void rope(const Tensor& qkv, const Sequences& sequences, std::int64_t heads, const RopeTable& table, bool inverse) {
  const std::int64_t width = qkv.shape()[-1], half = table.cosines.shape()[1];
  CHECK(qkv.shape().rank() == 2 && width == 6 * heads * half, "rope: a projection of shape ", qkv.shape(),
        " is not queries, keys and values of ", heads, " heads of ", 2 * half);
  CHECK(qkv.shape()[0] == sequences.rows, "rope: a projection of ", qkv.shape()[0], " rows for a batch of ",
        sequences.rows);
  CHECK(sequences.max_length <= table.cosines.shape()[0], "rope: a sequence of ", sequences.max_length,
        " rows, but the table ends at position ", table.cosines.shape()[0]);
  // Queries and keys lie side by side and turn alike: together they are 2 H heads.
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
}

}  // namespace attune::ops
