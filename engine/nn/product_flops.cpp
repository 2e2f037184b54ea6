#include "engine/nn/product_flops.h"

#include <algorithm>

namespace attune {

double product_flops(const ParameterTable& table) {
  std::int64_t first_trained = table.blocks();  // the first layer with a trained parameter
  for (const ParameterRow& row : table.rows())
    if (row.parameter.requires_grad()) first_trained = std::min(first_trained, row.layer);
  double out = 0;
  for (const ParameterRow& row : table.rows()) {
    const bool product = row.role == Role::kLinear || row.role == Role::kOutput || row.role == Role::kLowRank;
    if (!product || row.layer < 0 || row.layer >= table.blocks()) continue;
    const int passes = 1 + (row.layer >= first_trained ? 1 : 0) + (row.parameter.requires_grad() ? 1 : 0);
    out += 2.0 * passes * static_cast<double>(row.part_of(row.parameter.value()).numel());
  }
  return out;
}

}  // namespace attune
