// AdamW on a table whose rows without gradient are changed late (kernels/adamw_rows.h).
#pragma once

#include "engine/ops/adamw.h"
#include "engine/ops/row_gradient.h"

namespace attune::ops {

/// What makes late changes of a table [rows, C] possible.
struct AdamWRowState {
  InPlace m, v;  // like the table
  RowMarks marks;
  Tensor latest;  // of the table's type, [64, 4]: the latest steps

  /// Of a table that has made no step; moments of zeros.
  static AdamWRowState of(const Tensor& table);
};

/// Makes the steps that the rows ids (int32 [N]), or all rows, have missed.
void adamw_catch_up(const InPlace& table, const AdamWRowState& state, const Tensor& ids, const AdamWSpec& spec);
void adamw_catch_up_all(const InPlace& table, const AdamWRowState& state, const AdamWSpec& spec);
/// A step. values [slots, C]: the gradients of marked rows; scalars, of one group, and grad_scale as in
/// adamw().
void adamw_rows(const InPlace& table, const AdamWRowState& state, const Tensor& values, const Tensor& scalars,
                const Tensor& grad_scale, const AdamWSpec& spec);

}  // namespace attune::ops
