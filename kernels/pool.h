// One vector per sequence: one of its rows, or the mean of all or of the real ones.
//
//   y[b] = mean of x[n] over the rows n of pooled_rows(b); 0 if there are none
//   dx[n] = dy[b] / (number of them) for these rows, 0 elsewhere
//
// The choice of rows uses lengths in the context's memory, so a captured step can pool batches of other lengths.
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

/// Which rows of a sequence are pooled. Real rows come first, padding after them.
enum class PooledRows : std::uint8_t {
  kFirst,     // its first row
  kLast,      // its last row, padding or not
  kLastReal,  // the last row before padding; its last row if no row is real
  kAll,       // all rows, padding too
  kReal,      // the rows before padding
};

/// Rows [begin, end) of a batch.
struct RowRange {
  std::int32_t begin, end;
};

/// The pooled rows of a sequence that owns rows [first, next); the first `real` of them are not padding.
constexpr RowRange pooled_rows(PooledRows rows, std::int32_t first, std::int32_t next, std::int32_t real) {
  switch (rows) {
    case PooledRows::kFirst:
      return {first, first + 1};
    case PooledRows::kLast:
      return {next - 1, next};
    case PooledRows::kLastReal:
      return real > 0 ? RowRange{first + real - 1, first + real} : RowRange{next - 1, next};
    case PooledRows::kAll:
      return {first, next};
    case PooledRows::kReal:
      return {first, first + real};
  }
  return {first, first};
}

/// Sequences whose rows are pooled. Each has a row at least; rows beyond offsets[B] belong to none.
struct PooledLayout {
  const std::int32_t* offsets;  // [B + 1] first row of each sequence
  const std::int32_t* lengths;  // [B] real rows, at most all of its rows
  std::int64_t sequences;       // B
  std::int64_t rows;            // N >= offsets[B]
  std::int64_t channels;        // C
  PooledRows pooled;
};

struct PoolForward {
  void* y;        // [B, C]
  const void* x;  // [N, C]
  PooledLayout layout;
  DType dtype;
};

struct PoolBackward {
  GradOut dx;      // [N, C]; kWrite zeroes the rows that are not pooled
  const void* dy;  // [B, C]
  PooledLayout layout;
  DType dtype;
};

/// keys[b] = row_keys[n] of the one row n that is pooled of sequence b (kFirst, kLast or kLastReal): the keys of dropout
/// on pooled rows (kernels/dropout.h).
struct PooledKeys {
  std::uint32_t* keys;            // [B]
  const std::uint32_t* row_keys;  // [N]
  PooledLayout layout;            // its channels are not read
};

void pool_forward(const CpuContext&, const PoolForward&);
void pool_forward(const CudaContext&, const PoolForward&);
void pool_backward(const CpuContext&, const PoolBackward&);
void pool_backward(const CudaContext&, const PoolBackward&);
void pooled_keys(const CpuContext&, const PooledKeys&);
void pooled_keys(const CudaContext&, const PooledKeys&);

}  // namespace attune::kernels
