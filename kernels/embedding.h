// Sum of up to three table rows per token: word, position, token type.
//
//   y[n] = words[ids[n]] + types[type_ids[n]] + positions[position_ids[n]]
//
// Backward adds dy[n] to the rows used, in token order within each row (deterministic). If a table has a `padding_id`,
// its row gets no gradient (padding_idx in the reference models). Of a table that is changed late, backward marks the
// rows used, and may write their gradients alone (kernels/row_gradient.h).
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

/// One table and the row each token takes from it. A null table is skipped.
struct EmbeddingTable {
  const void* table = nullptr;        // [rows, C]
  const std::int32_t* ids = nullptr;  // [N], each in [0, rows)
  std::int64_t rows = 0;
};

struct EmbeddingForward {
  void* y;  // [N, C]
  EmbeddingTable words, positions, types;
  std::int64_t tokens, channels;
  DType dtype;
};

/// Gradient of one table.
struct EmbeddingBackward {
  GradOut dtable;  // [rows, C]; kWrite zeroes the rows no token uses. If `compact`: [N, C] and kWrite, and only
                   // the slots of rows are written
  const void* dy;  // [N, C]
  const std::int32_t* ids;  // [N]
  std::int64_t rows, tokens, channels;
  std::int64_t padding_id = -1;  // row without gradient, or -1
  DType dtype;
  std::int32_t* marks = nullptr;  // [rows] marked for rows with a gradient
  bool compact = false;           // needs marks, none of which is of a slot
};

void embedding_forward(const CpuContext&, const EmbeddingForward&);
void embedding_forward(const CudaContext&, const EmbeddingForward&);
void embedding_backward(const CpuContext&, const EmbeddingBackward&);
void embedding_backward(const CudaContext&, const EmbeddingBackward&);

}  // namespace attune::kernels
