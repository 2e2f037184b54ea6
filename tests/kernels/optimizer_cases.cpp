// Cases of the optimizer: AdamW, the norm of gradients and their clipping.
#include <numeric>
#include <string>

#include "kernels/adamw.h"
#include "tests/kernels/case_parts.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {

using namespace kernels;

// Several tensors in one call; unless the case is in place, the state is copied first. grad_scale is a power of two, so that
// float32 and float64 agree on it. Where there is no master copy, `master` is the parameter again.
OpCase adamw_case(std::vector<std::int64_t> lengths, bool in_place) {
  const std::int64_t n = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  OpCase op{.op = "adamw", .label = sizes({static_cast<std::int64_t>(lengths.size()), n}), .tolerance = kElementwise};
  op.inputs = {{.name = "master0", .n = n, .differentiable = false, .statistic = true},
               {.name = "grad", .n = n, .differentiable = false},
               {.name = "m0", .n = n, .differentiable = false, .statistic = true},
               {.name = "v0", .n = n, .differentiable = false, .low = 0.01, .statistic = true}};
  const AdamWScalars scalars = adamw_scalars(1e-2, 0.9, 0.999, 3);
  op.doubles = {{"scalars", {scalars.learning_rate, scalars.step_size, scalars.root_correction2}},
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
                         .master = has_master ? c.statistic_offset(c["master"], at) : nullptr});
      at += length;
    }
    c.run([&](const auto& on) {
      adamw(on, {.tensors = tensors,
                 .scalars = reinterpret_cast<const AdamWScalars*>(c.doubles("scalars")),
                 .grad_scale = c.doubles("grad_scale"),
                 .beta1 = 0.9,
                 .beta2 = 0.999,
                 .eps = 1e-8,
                 .weight_decay = 0.1});
    });
    if (!in_place && !has_master) c.backend().copy(c["master"], c["param"], bytes);
  };
  op.forward_work.bytes = {28.0 * n, 28.0 * n};
  return op;
}

OpCase grad_norm_case(std::vector<std::int64_t> lengths) {
  const std::int64_t n = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  OpCase op{
      .op = "grad_norm", .label = sizes({static_cast<std::int64_t>(lengths.size()), n}), .tolerance = kElementwise};
  op.inputs = {{.name = "grad", .n = n, .differentiable = false}};
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
      clip_scale(on, c.doubles("scale"), c.doubles("norm"), 0.1);
    });
  };
  op.forward_work.bytes = elements(1.0 * n);
  return op;
}

}  // namespace attune::testing
