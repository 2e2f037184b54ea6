// AdamW on a table of which a step uses few rows: the other rows are changed late, with the same bits.
//
// A row without gradient changes at every step too (kernels/adamw.h with g = 0): its moments shrink, and they and the
// weight decay move it. That needs only the row and the scalars of the step. So it is done later, for several steps at
// once in registers, when the row is next read. The table keeps the scalars of its latest steps; the mark of each row
// (kernels/row_gradient.h) is the number of steps it has made.
//
//   before rows are read   adamw_catch_up makes the steps they have missed
//   backward               writes and marks the gradient of the rows of the batch (kernels/embedding.h)
//   update                 adamw_rows makes a step with the rows that have a gradient. A kLatestSteps-th of the others
//                          catches up with the steps before, so that no row is ever more than kLatestSteps late.
#pragma once

#include <cstdint>

#include "kernels/adamw.h"
#include "kernels/row_gradient.h"

namespace attune::kernels {

/// Steps whose scalars are kept.
constexpr int kLatestSteps = 64;

/// A table and its state. Everything is in the context's memory.
struct AdamWTable {
  void *param, *m, *v;  // [rows, C]
  std::int32_t* marks;  // [rows]
  std::int32_t* steps;  // [1] steps that the table has made, also those that a grad_scale of NaN left out
  void* latest;  // [kLatestSteps, 4], aligned to 16 bytes. Row t % kLatestSteps is of step t: decay, step size, root
                 // correction, and whether it was applied (1 or 0)
  std::int64_t rows, channels;
  DType dtype;  // of param, m, v and latest
  double beta1, beta2, eps;
};

/// Makes the steps that rows have missed: those of ids, or all rows.
struct AdamWCatchUp {
  AdamWTable table;
  const std::int32_t* ids;  // [count]; null: all rows
  std::int64_t count;
};

void adamw_catch_up(const CpuContext&, const AdamWCatchUp&);
void adamw_catch_up(const CudaContext&, const AdamWCatchUp&);

/// One step of the table.
struct AdamWRows {
  AdamWTable table;
  const void* values;                  // [slots, C] the gradient; the marks say which rows have one
  const AdamWScalars* scalars;         // [1] in the context's memory
  const double* grad_scale = nullptr;  // as in AdamW
};

void adamw_rows(const CpuContext&, const AdamWRows&);
void adamw_rows(const CudaContext&, const AdamWRows&);

}  // namespace attune::kernels
