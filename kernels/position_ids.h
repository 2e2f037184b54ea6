// RoBERTa's position of each token: tokens that are not padding count from padding_id + 1, separately in every
// sequence; padding has position padding_id.
//
//   out[n] = ids[n] == padding_id ? padding_id : padding_id + #{m <= n in the sequence of n : ids[m] != padding_id}
//
// Liu et al.: "RoBERTa", arXiv 1907.11692.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace attune::kernels {

struct PositionIds {
  std::int32_t* out;            // [N]
  const std::int32_t* ids;      // [N]
  const std::int32_t* offsets;  // [B + 1] first row of each sequence; offsets[B] = N
  std::int64_t sequences;       // B
  std::int32_t padding_id;
};

void position_ids(const CpuContext&, const PositionIds&);
void position_ids(const CudaContext&, const PositionIds&);

}  // namespace attune::kernels
