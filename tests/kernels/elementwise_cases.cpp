// Cases of the ops that compute each element from the elements at the same place, and of the gated linear unit.
#include <string>

#include "kernels/activation.h"
#include "kernels/cast.h"
#include "kernels/dropout.h"
#include "kernels/fill.h"
#include "kernels/glu.h"
#include "kernels/rank_sum.h"
#include "kernels/residual.h"
#include "kernels/scale.h"
#include "tests/kernels/case_parts.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {
namespace {

using namespace kernels;

const char* name_of(Activation kind) {
  switch (kind) {
    case Activation::kGeluTanh:
      return "gelu_tanh";
    case Activation::kGeluErf:
      return "gelu_erf";
    case Activation::kRelu:
      return "relu";
    case Activation::kTanh:
      return "tanh";
  }
  return "?";
}

}  // namespace

OpCase activation_case(std::int64_t n, Activation kind) {
  OpCase op{.op = "activation", .label = sizes({n}, name_of(kind)), .tolerance = kElementwise};
  op.inputs = {{.name = "x", .n = n, .low = -4, .high = 4, .gap = 0.01}};
  op.outputs = {{"y", n}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      activation_forward(on, {.y = c["y"], .x = c["x"], .n = n, .kind = kind, .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      activation_backward(on,
                          {.dx = c.grad("x"), .dy = c["dy"], .x = c["x"], .n = n, .kind = kind, .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements(2.0 * n);
  op.backward_work.bytes = elements(3.0 * n);
  return op;
}

OpCase glu_case(std::int64_t rows, std::int64_t channels, Activation kind) {
  OpCase op{.op = "glu", .label = sizes({rows, channels}, name_of(kind)), .tolerance = kElementwise};
  op.inputs = {{.name = "u", .n = rows * 2 * channels, .low = -3, .high = 3, .gap = 0.01}};
  op.outputs = {{"y", rows * channels}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      glu_forward(on, {.y = c["y"], .u = c["u"], .rows = rows, .channels = channels, .kind = kind, .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      glu_backward(on, {.du = c.grad("u"),
                        .dy = c["dy"],
                        .u = c["u"],
                        .rows = rows,
                        .channels = channels,
                        .kind = kind,
                        .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements(3.0 * rows * channels);
  op.backward_work.bytes = elements(5.0 * rows * channels);
  return op;
}

OpCase fill_case(std::int64_t n) {
  OpCase op{.op = "fill", .label = sizes({n}), .tolerance = kExact};
  op.outputs = {{"y", n, false}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) { fill(on, {.y = c["y"], .n = n, .value = 0.375, .dtype = c.dtype()}); });
  };
  op.forward_work.bytes = elements(n);
  return op;
}

OpCase scale_case(std::int64_t n) {
  OpCase op{.op = "scale", .label = sizes({n}), .tolerance = kElementwise};
  op.inputs = {{.name = "x", .n = n}};
  op.outputs = {{"y", n}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) { scale(on, {.y = c["y"], .x = c["x"], .n = n, .alpha = 0.7, .dtype = c.dtype()}); });
  };
  op.backward = [=](const Call& c) {
    if (!c.grad("x")) return;
    c.run([&](const auto& on) {
      scale(on,
            {.y = c.grad("x").data, .x = c["dy"], .n = n, .alpha = 0.7, .mode = c.grad("x").mode, .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = op.backward_work.bytes = elements(2.0 * n);
  return op;
}

// Between the dtype and that of its statistics, both ways: float32 and bfloat16 where the dtype is bfloat16.
OpCase cast_case(std::int64_t n) {
  OpCase op{.op = "cast", .label = sizes({n}), .tolerance = kElementwise};
  op.inputs = {{.name = "x", .n = n, .differentiable = false},
               {.name = "exact", .n = n, .differentiable = false, .statistic = true}};
  op.outputs = {{.name = "wide", .n = n, .differentiable = false, .statistic = true},
                {.name = "narrow", .n = n, .differentiable = false}};
  op.forward = [=](const Call& c) {
    const DType own = c.dtype(), statistic = statistics_dtype(own);
    c.run([&](const auto& on) {
      cast(on, {.y = c["wide"], .x = c["x"], .n = n, .to = statistic, .from = own});
      cast(on, {.y = c["narrow"], .x = c["exact"], .n = n, .to = own, .from = statistic});
    });
  };
  op.forward_work.bytes = {16.0 * n, 12.0 * n};
  return op;
}

OpCase rank_sum_case(std::int64_t ranks, std::int64_t n) {
  OpCase op{.op = "rank_sum", .label = sizes({ranks, n}), .tolerance = kElementwise};
  op.inputs = {{.name = "x", .n = ranks * n, .differentiable = false}};
  op.outputs = {{.name = "y", .n = n, .differentiable = false}};
  op.forward = [=](const Call& c) {
    c.run(
        [&](const auto& on) { rank_sum(on, {.y = c["y"], .x = c["x"], .ranks = ranks, .n = n, .dtype = c.dtype()}); });
  };
  op.forward_work.bytes = elements(static_cast<double>(ranks + 1) * static_cast<double>(n));
  return op;
}

OpCase dropout_case(std::int64_t rows, std::int64_t channels, float p) {
  OpCase op{.op = "dropout", .label = sizes({rows, channels}, p == 0 ? "off" : ""), .tolerance = kElementwise};
  op.inputs = {{.name = "x", .n = rows * channels}};
  with_masks(op, row_keys(rows), kMaskStep);
  op.outputs = {{"y", rows * channels}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      dropout(
          on,
          {.y = c["y"], .x = c["x"], .rows = rows, .channels = channels, .mask = mask_of(c, p), .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    if (!c.grad("x")) return;
    c.run([&](const auto& on) {
      dropout(on, {.y = c.grad("x").data,
                   .x = c["dy"],
                   .rows = rows,
                   .channels = channels,
                   .mask = mask_of(c, p),
                   .mode = c.grad("x").mode,
                   .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = op.backward_work.bytes = elements(2.0 * rows * channels);
  return op;
}

OpCase residual_case(std::int64_t rows, std::int64_t channels, float p) {
  OpCase op{.op = "residual", .label = sizes({rows, channels}, p == 0 ? "" : "dropout"), .tolerance = kElementwise};
  op.inputs = {{.name = "residual", .n = rows * channels, .differentiable = false},
               {.name = "x", .n = rows * channels, .differentiable = false}};
  with_masks(op, row_keys(rows), kMaskStep);
  op.outputs = {{"y", rows * channels, false}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      residual(on, {.y = c["y"],
                    .residual = c["residual"],
                    .x = c["x"],
                    .rows = rows,
                    .channels = channels,
                    .dropout = mask_of(c, p),
                    .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements(3.0 * rows * channels);
  return op;
}

}  // namespace attune::testing
