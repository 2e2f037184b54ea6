#include "kernels/row_gradient.h"

#include "engine/ops/row_gradient.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

kernels::RowMarks raw_of(const Arguments& args, const RowMarks& marks, std::int64_t rows) {
  args.require("marks", marks.marks, {rows}, DType::kInt32);
  args.require("steps", marks.steps, {1}, DType::kInt32);
  return {.marks = static_cast<std::int32_t*>(marks.marks.raw()),
          .steps = static_cast<const std::int32_t*>(marks.steps.raw()),
          .rows = rows};
}

}  // namespace

void clear_row_gradient(const RowMarks& marks) {
  const Arguments args("clear row gradient", "marks", marks.marks);
  const kernels::RowMarks raw = raw_of(args, marks, marks.marks.numel());
  run_on(marks.marks.device(), [&](const auto& context) { kernels::clear_row_gradient(context, raw); });
}

void spread_row_gradient(const InPlace& dense, const Tensor& values, const RowMarks& marks, bool every_row) {
  const Tensor& to = dense.tensor;
  const Arguments args("spread row gradient", "dense", to);
  args.require_rank("dense", to, 2);
  const std::int64_t rows = to.shape()[0], channels = to.shape()[1], slots = values.defined() ? values.shape()[0] : 0;
  args.allow("values", values, {slots, channels}, to.dtype());
  const kernels::RowMarks raw = raw_of(args, marks, rows);
  run_on(to.device(), [&](const auto& context) {
    kernels::spread_row_gradient(context, {.dense = to.raw(),
                                           .values = values.raw(),
                                           .marks = raw,
                                           .slots = slots,
                                           .channels = channels,
                                           .every_row = every_row,
                                           .dtype = to.dtype()});
  });
}

}  // namespace attune::ops
