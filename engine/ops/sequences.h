// Which rows of a batch form which sequence. The same tokens can be padded (every sequence fills max_length rows) or
// packed (no padding rows). Ops read only this description, so one model serves both.
#pragma once

#include <cstdint>

#include "engine/tensor/tensor.h"

namespace attune {

struct Sequences {
  Tensor offsets;               // int32 [B + 1], first row of each sequence
  Tensor key_lengths;           // int32 [B], rows that may be attended; undefined: all of a sequence
  Tensor positions;             // int32 [N], place of each row within its sequence, from 0
  Tensor row_keys;              // int32 [N], example << 16 | position (kernels/dropout.h)
  std::int64_t count = 0;       // B
  std::int64_t rows = 0;        // N
  std::int64_t max_length = 0;  // rows of the longest sequence
};

}  // namespace attune
