// The tables of a batch that a library's attention needs, computed from the offsets and key lengths of an
// AttentionLayout.
#pragma once

#include <cstdint>

#include "kernels/context.h"

namespace attune::cuda {

/// Places are those of a sequence's first row, counted in elements; the last one is where row N would be.
struct SequenceTables {
  std::int32_t* lengths;                  // [B] rows of each sequence that may be attended
  std::int32_t* strided_places;           // [B + 1] in a matrix of rows `row_stride` apart
  std::int32_t* dense_places;             // [B + 1] in one of rows `width` apart
  std::int32_t* statistic_places;         // [B + 1] in one of rows `heads` apart
  const std::int32_t* offsets;            // [B + 1] first row of each sequence
  const std::int32_t* key_lengths;        // [B], or null: all rows
  std::int32_t sequences;                 // B
  std::int32_t row_stride, width, heads;  // times N they must stay below 2^31
};

void sequence_tables(const kernels::CudaContext& context, const SequenceTables& args);

}  // namespace attune::cuda
