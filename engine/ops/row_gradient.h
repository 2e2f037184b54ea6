// Gradients of a table of which a batch uses few rows (kernels/row_gradient.h). A table is [rows, C].
#pragma once

#include "engine/ops/args.h"

namespace attune::ops {

/// The marks of a table's rows.
struct RowMarks {
  Tensor marks;  // int32 [rows]
  Tensor steps;  // int32 [1]
};

/// Where the gradients of rows go when a batch is done with them.
struct RowSlots {
  Tensor marks = {};     // int32 [rows] of the rows that get a gradient; undefined: the table has none
  bool compact = false;  // gradients go to slots of the batch, not to rows like those of the table
};

/// No row has a gradient any more.
void clear_row_gradient(const RowMarks& marks);
/// dense [rows, C]: the gradient of each row, zeros if it has none; marks them for it, all rows if `every_row`. values
/// [slots, C] may be undefined: they are zeros.
void spread_row_gradient(const InPlace& dense, const Tensor& values, const RowMarks& marks, bool every_row);

}  // namespace attune::ops
