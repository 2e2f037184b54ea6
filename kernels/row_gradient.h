// The gradient of a table of which a batch uses few rows: the values of these rows, and a mark for each row of the
// table.
//
// The marks belong to a table that is changed late (kernels/adamw_rows.h). The mark of a row is the number of steps
// that the row has made. A row with a gradient has made all steps of the table, and its mark is kFirstSlot + s: its
// gradient is row s of the values, which are [slots, C]. Values that lie like the table itself, [rows, C] with s = row,
// are called dense.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "kernels/context.h"

namespace attune::kernels {

/// Marks below this are numbers of steps.
constexpr std::int32_t kFirstSlot = 1 << 30;

struct RowMarks {
  std::int32_t* marks;        // [rows]
  const std::int32_t* steps;  // [1] steps that the table has made
  std::int64_t rows;
};

/// No row has a gradient any more: those that had one are marked with the number of steps.
void clear_row_gradient(const CpuContext&, const RowMarks&);
void clear_row_gradient(const CudaContext&, const RowMarks&);

/// dense[r] = the gradient of row r; zeros if it has none, or if the values have no such slot. Rows with a gradient are
/// then marked for the dense values; all rows if `every_row`.
struct SpreadRowGradient {
  void* dense;         // [rows, C]
  const void* values;  // [slots, C]
  RowMarks marks;
  std::int64_t slots, channels;
  bool every_row;
  DType dtype;
};

void spread_row_gradient(const CpuContext&, const SpreadRowGradient&);
void spread_row_gradient(const CudaContext&, const SpreadRowGradient&);

}  // namespace attune::kernels
