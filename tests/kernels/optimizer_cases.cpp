// Cases of the optimizer: AdamW, the norm of gradients and their clipping.
#include <numeric>
#include <string>

#include "base/math.h"
#include "kernels/adamw.h"
#include "kernels/adamw_rows.h"
#include "kernels/moving_average.h"
#include "tests/kernels/case_parts.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {

using namespace kernels;

// Several tensors of two groups in one call; unless the case is in place, the state is copied first. grad_scale is a power of two, so that
// float32 and float64 agree on it. Where there is no master copy, `master` is the parameter again.
OpCase adamw_case(std::vector<std::int64_t> lengths, bool in_place) {
  const std::int64_t n = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  OpCase op{.op = "adamw", .label = sizes({static_cast<std::int64_t>(lengths.size()), n}), .tolerance = kElementwise};
  op.inputs = {{.name = "master0", .n = n, .differentiable = false, .statistic = true},
               {.name = "grad", .n = n, .differentiable = false},
               {.name = "m0", .n = n, .differentiable = false, .statistic = true},
               {.name = "v0", .n = n, .differentiable = false, .low = 0.01, .statistic = true}};
  const AdamWScalars even = adamw_scalars(1e-2, 0.1, 0.9, 0.999, 3), odd = adamw_scalars(3e-2, 0, 0.9, 0.999, 3);
  op.doubles = {
      {"scalars", {even.decay, even.step_size, even.root_correction2, odd.decay, odd.step_size, odd.root_correction2}},
      {"grad_scale", {0.5}}};
  op.outputs = {{"param", n, false}, {"m", n, false, true}, {"v", n, false, true}, {"master", n, false, true}};
  op.forward = [=](const Call& c) {
    const bool has_master = statistics_dtype(c.dtype()) != c.dtype();
    const std::size_t bytes = static_cast<std::size_t>(n) * size_of(statistics_dtype(c.dtype()));
    if (!in_place) {
      for (const char* name : {"master", "m", "v"}) c.backend().copy(c[name], c[std::string(name) + "0"], bytes);
      if (!has_master) c.backend().copy(c["param"], c["master0"], bytes);
    }
    std::vector<AdamWTensor> tensors;
    std::int64_t at = 0;
    for (std::int64_t length : lengths) {
      tensors.push_back({.param = c.offset(c["param"], at),
                         .grad = c.offset(c["grad"], at),
                         .m = c.statistic_offset(c["m"], at),
                         .v = c.statistic_offset(c["v"], at),
                         .n = length,
                         .dtype = c.dtype(),
                         .master = has_master ? c.statistic_offset(c["master"], at) : nullptr,
                         .group = static_cast<std::int32_t>(tensors.size() % 2)});
      at += length;
    }
    c.run([&](const auto& on) {
      adamw(on, {.tensors = tensors,
                 .scalars = reinterpret_cast<const AdamWScalars*>(c.doubles("scalars")),
                 .grad_scale = c.doubles("grad_scale"),
                 .beta1 = 0.9,
                 .beta2 = 0.999,
                 .eps = 1e-8});
    });
    if (!in_place && !has_master) c.backend().copy(c["master"], c["param"], bytes);
  };
  op.forward_work.bytes = {28.0 * n, 28.0 * n};
  return op;
}

// Rows of the batch catch up and the table makes a step; then all rows catch up, unless the case is in place and repeats. Every
// third row has a gradient, in place every 64th, as in a large table; the others are up to five steps late. The table is float32
// if the run is in bfloat16.
OpCase adamw_rows_case(std::int64_t rows, std::int64_t channels, std::int64_t tokens, bool in_place) {
  constexpr std::int32_t kSteps = kLatestSteps + 3;
  const std::int64_t n = rows * channels, stride = in_place ? 64 : 3, slots = ceil_div(rows, stride);
  OpCase op{.op = "adamw_rows", .label = sizes({rows, channels, tokens}), .tolerance = kReduction};
  const auto state = [](const char* name, std::int64_t size, double low) {
    return FloatInput{.name = name, .n = size, .differentiable = false, .low = low, .statistic = true};
  };
  op.inputs = {state("param0", n, -1), state("m0", n, -1), state("v0", n, 0.01), state("values", slots * channels, -1),
               state("latest0", 4 * kLatestSteps, 0.5)};
  std::vector<std::int32_t> marks;
  for (std::int32_t row = 0; row < rows; ++row)
    marks.push_back(row % stride == 0 ? kFirstSlot + static_cast<std::int32_t>(slots - 1 - row / stride)
                                      : kSteps - row % 6);
  marks.push_back(kSteps);  // of the table
  op.ints = {{"ids", spread(tokens, rows)}, {"marks0", std::move(marks)}};
  const AdamWScalars scalars = adamw_scalars(1e-2, 0.1, 0.9, 0.999, 3);
  op.doubles = {{"scalars", {scalars.decay, scalars.step_size, scalars.root_correction2}}, {"grad_scale", {0.5}}};
  if (!in_place) op.outputs = {{"param", n, false, true}, {"m", n, false, true}, {"v", n, false, true}};
  op.forward = [=](const Call& c) {
    AdamWTable table{.param = c["param0"],
                     .m = c["m0"],
                     .v = c["v0"],
                     .marks = static_cast<std::int32_t*>(c["marks0"]),
                     .steps = nullptr,
                     .latest = c["latest0"],
                     .rows = rows,
                     .channels = channels,
                     .dtype = statistics_dtype(c.dtype()),
                     .beta1 = 0.9,
                     .beta2 = 0.999,
                     .eps = 1e-8};
    const std::size_t size = size_of(table.dtype), mark_bytes = static_cast<std::size_t>(rows + 1) * 4;
    const auto copied = [&](void* to, const void* from, std::size_t bytes) {
      c.backend().copy(to, from, bytes);
      return to;
    };
    if (!in_place) {
      const std::size_t bytes = static_cast<std::size_t>(n) * size, latest = 4 * kLatestSteps * size;
      table.param = copied(c["param"], table.param, bytes);
      table.m = copied(c["m"], table.m, bytes);
      table.v = copied(c["v"], table.v, bytes);
      table.marks = static_cast<std::int32_t*>(copied(c.backend().allocate(mark_bytes), table.marks, mark_bytes));
      table.latest = copied(c.backend().allocate(latest), table.latest, latest);
    }
    table.steps = table.marks + rows;
    c.run([&](const auto& on) {
      adamw_catch_up(on, {.table = table, .ids = c.ints("ids"), .count = tokens});
      adamw_rows(on, {.table = table,
                      .values = c["values"],
                      .scalars = reinterpret_cast<const AdamWScalars*>(c.doubles("scalars")),
                      .grad_scale = c.doubles("grad_scale")});
      if (!in_place) adamw_catch_up(on, {.table = table, .ids = nullptr, .count = 0});
    });
    if (in_place) return;
    c.backend().release(table.marks);
    c.backend().release(table.latest);
  };
  const double bytes = (28.0 * slots + 24.0 * rows / kLatestSteps) * channels;
  op.forward_work.bytes = {bytes, bytes};
  return op;
}

OpCase moving_average_case(std::vector<std::int64_t> lengths, bool in_place) {
  const std::int64_t n = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  OpCase op{.op = "moving_average",
            .label = sizes({static_cast<std::int64_t>(lengths.size()), n}),
            .tolerance = kElementwise};
  op.inputs = {{.name = "average0", .n = n, .differentiable = false, .statistic = true},
               {.name = "value", .n = n, .differentiable = false, .statistic = true}};
  op.doubles = {{"rate", {0.125}}};
  op.outputs = {{"average", n, false, true}};
  op.forward = [=](const Call& c) {
    const DType dtype = statistics_dtype(c.dtype());
    if (!in_place) c.backend().copy(c["average"], c["average0"], static_cast<std::size_t>(n) * size_of(dtype));
    std::vector<AveragedTensor> tensors;
    std::int64_t at = 0;
    for (const std::int64_t length : lengths) {
      tensors.push_back({c.statistic_offset(c["average"], at), c.statistic_offset(c["value"], at), length});
      at += length;
    }
    c.run([&](const auto& on) { moving_average(on, {.tensors = tensors, .rate = c.doubles("rate"), .dtype = dtype}); });
  };
  op.forward_work.bytes = {12.0 * n, 12.0 * n};
  return op;
}

OpCase grad_norm_case(std::vector<std::int64_t> lengths) {
  const std::int64_t n = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  OpCase op{
      .op = "grad_norm", .label = sizes({static_cast<std::int64_t>(lengths.size()), n}), .tolerance = kElementwise};
  op.inputs = {{.name = "grad", .n = n, .differentiable = false}};
  op.doubles = {{"stop", {0}}};
  op.outputs = {{.name = "norm", .n = 1, .differentiable = false, .float64 = true},
                {.name = "scale", .n = 1, .differentiable = false, .float64 = true}};
  op.forward = [=](const Call& c) {
    std::vector<GradNormTensor> tensors;
    std::int64_t at = 0;
    for (std::int64_t length : lengths) {
      tensors.push_back({c.offset(c["grad"], at), length, c.dtype()});
      at += length;
    }
    c.run([&](const auto& on) {
      grad_norm(on, {.norm = c.doubles("norm"), .tensors = tensors});
      clip_scale(on,
                 {.scale = c.doubles("scale"), .stop = c.doubles("stop"), .norm = c.doubles("norm"), .max_norm = 0.1});
    });
  };
  op.forward_work.bytes = elements(1.0 * n);
  return op;
}

}  // namespace attune::testing
