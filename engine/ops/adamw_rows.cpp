#include "kernels/adamw_rows.h"

#include "engine/ops/adamw_rows.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

kernels::AdamWTable raw_of(const Arguments& args, const Tensor& param, const AdamWRowState& t, const AdamWSpec& spec) {
  args.require_rank("table", param, 2);
  const Shape& shape = param.shape();
  const DType dtype = param.dtype();
  args.require("m", t.m.tensor, shape, dtype);
  args.require("v", t.v.tensor, shape, dtype);
  args.require("marks", t.marks.marks, {shape[0]}, DType::kInt32);
  args.require("steps", t.marks.steps, {1}, DType::kInt32);
  args.require("latest", t.latest, {kernels::kLatestSteps, 4}, dtype);
  return {.param = param.raw(),
          .m = t.m.tensor.raw(),
          .v = t.v.tensor.raw(),
          .marks = static_cast<std::int32_t*>(t.marks.marks.raw()),
          .steps = static_cast<std::int32_t*>(t.marks.steps.raw()),
          .latest = t.latest.raw(),
          .rows = shape[0],
          .channels = shape[1],
          .dtype = dtype,
          .beta1 = spec.beta1,
          .beta2 = spec.beta2,
          .eps = spec.eps};
}

}  // namespace

AdamWRowState AdamWRowState::of(const Tensor& table) {
  const Shape& shape = table.shape();
  const DType dtype = table.dtype();
  const Device device = table.device();
  return {.m = InPlace(Tensor::zeros(shape, dtype, device)),
          .v = InPlace(Tensor::zeros(shape, dtype, device)),
          .marks = {.marks = Tensor::zeros({shape[0]}, DType::kInt32, device),
                    .steps = Tensor::zeros({1}, DType::kInt32, device)},
          .latest = Tensor::zeros({kernels::kLatestSteps, 4}, dtype, device)};
}

void adamw_catch_up(const InPlace& table, const AdamWRowState& state, const Tensor& ids, const AdamWSpec& spec) {
  const Arguments args("adamw catch up", "table", table.tensor);
  const kernels::AdamWTable raw = raw_of(args, table.tensor, state, spec);
  args.require_rank("ids", ids, 1);
  const std::int64_t count = ids.numel();
  args.require("ids", ids, {count}, DType::kInt32);
  if (ids.device() == Device::kCpu)
    for (const std::int32_t id : ids.values<std::int32_t>())
      CHECK(id >= 0 && id < raw.rows, "adamw catch up: ids has ", id, ", but the table has ", raw.rows, " rows");
  run_on(table.tensor.device(), [&](const auto& context) {
    kernels::adamw_catch_up(context,
                            {.table = raw, .ids = static_cast<const std::int32_t*>(ids.raw()), .count = count});
  });
}

void adamw_catch_up_all(const InPlace& table, const AdamWRowState& state, const AdamWSpec& spec) {
  const Arguments args("adamw catch up all", "table", table.tensor);
  const kernels::AdamWTable raw = raw_of(args, table.tensor, state, spec);
  run_on(table.tensor.device(),
         [&](const auto& context) { kernels::adamw_catch_up(context, {.table = raw, .ids = nullptr, .count = 0}); });
}

void adamw_rows(const InPlace& table, const AdamWRowState& state, const Tensor& values, const Tensor& scalars,
                const Tensor& grad_scale, const AdamWSpec& spec) {
  const Arguments args("adamw rows", "table", table.tensor);
  const kernels::AdamWTable raw = raw_of(args, table.tensor, state, spec);
  args.require_rank("values", values, 2);
  args.require("values", values, {values.shape()[0], raw.channels}, raw.dtype);
  args.require("scalars", scalars, {1, 3}, DType::kFloat64);
  args.allow("grad_scale", grad_scale, {1}, DType::kFloat64);
  run_on(table.tensor.device(), [&](const auto& context) {
    kernels::adamw_rows(context, {.table = raw,
                                  .values = values.raw(),
                                  .scalars = static_cast<const kernels::AdamWScalars*>(scalars.raw()),
                                  .grad_scale = static_cast<const double*>(grad_scale.raw())});
  });
}

}  // namespace attune::ops
