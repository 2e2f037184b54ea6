// Rows in order of an id, equal ids in row order: for gradients that add rows of the same id, in the same order on every run.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace attune::cuda {

struct SortById {
  std::int32_t* order;       // [N] rows in order of (id, row)
  std::int32_t* sorted_ids;  // [N] ids[order[i]]
  const std::int32_t* ids;   // [N], each in [0, id_limit)
  std::int64_t rows, id_limit;
};

void sort_by_id(const kernels::CudaContext& context, const SortById& args);

}  // namespace attune::cuda
