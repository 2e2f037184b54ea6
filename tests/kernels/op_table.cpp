// The table: one function per op makes a case of it at given sizes; test_cases() and speed_cases() choose the sizes.
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>

#include "base/check.h"
#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/binary_cross_entropy.h"
#include "kernels/cast.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/embedding.h"
#include "kernels/fill.h"
#include "kernels/glu.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/mean_squared_error.h"
#include "kernels/pool.h"
#include "kernels/residual.h"
#include "kernels/rope.h"
#include "kernels/scale.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels/op_case.h"

namespace attune::testing {
namespace {

using namespace kernels;

constexpr float kDropoutP = 0.3f;

std::string sizes(std::initializer_list<std::int64_t> extents, const std::string& options = "") {
  std::string out;
  for (std::int64_t extent : extents) out += (out.empty() ? "" : "x") + std::to_string(extent);
  return out + (options.empty() ? "" : "_" + options);
}

// Well spread values in [0, limit), the same on every run.
std::vector<std::int32_t> spread(std::int64_t n, std::int64_t limit) {
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<std::int32_t>((i * i * 7 + i * 3 + 5) % limit));
  return out;
}

std::vector<std::int32_t> row_keys(std::int64_t rows) {
  std::vector<std::int32_t> out;
  for (std::int64_t n = 0; n < rows; ++n)
    out.push_back(
        static_cast<std::int32_t>(row_key(static_cast<std::uint32_t>(n / 100), static_cast<std::uint32_t>(n % 100))));
  return out;
}

constexpr std::int32_t kMaskStep = 7;
DropoutMask mask_of(const Call& c, float p) {
  return mask_of(c, p, 0x123456789abcdefull, kMaskStep, 21);
}

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

OpCase linear_case(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, bool bias) {
  OpCase op{.op = "linear", .label = sizes({rows, inputs, outputs}, bias ? "bias" : ""), .tolerance = kReduction};
  op.inputs = {{.name = "x", .n = rows * inputs}, {.name = "weight", .n = outputs * inputs}};
  if (bias) op.inputs.push_back({.name = "bias", .n = outputs});
  op.outputs = {{"y", rows * outputs}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      linear_forward(on, {.y = c["y"],
                          .x = c["x"],
                          .weight = c["weight"],
                          .bias = c["bias"],
                          .rows = rows,
                          .inputs = inputs,
                          .outputs = outputs,
                          .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      linear_backward(on, {.dx = c.grad("x"),
                           .dweight = c.grad("weight"),
                           .dbias = c.grad("bias"),
                           .dy = c["dy"],
                           .x = c["x"],
                           .weight = c["weight"],
                           .rows = rows,
                           .inputs = inputs,
                           .outputs = outputs,
                           .dtype = c.dtype()});
    });
  };
  const double product = 2.0 * rows * inputs * outputs,
               touched = 1.0 * rows * (inputs + outputs) + 1.0 * inputs * outputs;
  op.forward_work = {elements(touched), product};
  op.backward_work = {elements(2 * touched), 2 * product};
  return op;
}

struct LayerNormOptions {
  bool bias = true, residual = false;
  float p = 0;
  bool stream = false;
};

OpCase layernorm_case(std::int64_t rows, std::int64_t channels, LayerNormOptions o) {
  const std::int64_t n = rows * channels;
  OpCase op{.op = "layernorm",
            .label = sizes({rows, channels}, std::string(o.bias ? "bias" : "nobias") + (o.residual ? "_residual" : "") +
                                                 (o.stream ? "_stream" : "") + (o.p > 0 ? "_dropout" : "")),
            .tolerance = kReduction};
  op.inputs = {{.name = "x", .n = n, .low = -2, .high = 3, .statistic = !o.residual},
               {.name = "weight", .n = channels, .low = 0.5, .high = 1.5, .statistic = true}};
  if (o.bias) op.inputs.push_back({.name = "bias", .n = channels, .statistic = true});
  op.outputs = {{"y", n}, {"mean", rows, false, true}, {"rstd", rows, false, true}};
  if (o.stream) op.outputs.push_back({.name = "stream", .n = n, .statistic = true});
  if (o.residual) {
    op.inputs.push_back({.name = "residual", .n = n, .statistic = true});
    op.outputs.push_back({.name = "sum", .n = n, .statistic = true});
    with_masks(op, row_keys(rows), kMaskStep);
  }
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      layernorm_forward(on, {.y = c["y"],
                             .stream = c["stream"],
                             .sum = c["sum"],
                             .mean = c["mean"],
                             .rstd = c["rstd"],
                             .x = c["x"],
                             .residual = c["residual"],
                             .weight = c["weight"],
                             .bias = c["bias"],
                             .rows = rows,
                             .channels = channels,
                             .eps = 1e-5,
                             .dropout = mask_of(c, o.p),
                             .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      layernorm_backward(on, {.dx = c.grad("x"),
                              .dresidual = c.grad("residual"),
                              .dweight = c.grad("weight"),
                              .dbias = c.grad("bias"),
                              .dy = c["dy"],
                              .dstream = c["dstream"],
                              .dsum = c["dsum"],
                              .sum = o.residual ? c["sum"] : c["x"],
                              .mean = c["mean"],
                              .rstd = c["rstd"],
                              .weight = c["weight"],
                              .residual = o.residual,
                              .rows = rows,
                              .channels = channels,
                              .dropout = mask_of(c, o.p),
                              .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements((o.residual ? 4.0 : 2.0) * n);
  op.backward_work.bytes = elements((o.residual ? 5.0 : 3.0) * n);
  return op;
}

struct Vocabulary {
  std::int64_t words, positions, types, padding_id;
};

OpCase embedding_case(std::int64_t tokens, std::int64_t channels, Vocabulary v) {
  OpCase op{.op = "embedding",
            .label = sizes({tokens, channels, v.words}, v.types > 0 ? "types" : ""),
            .tolerance = kElementwise};
  op.inputs = {{.name = "words", .n = v.words * channels}, {.name = "positions", .n = v.positions * channels}};
  op.ints = {{"ids", spread(tokens, v.words)}, {"position_ids", spread(tokens, v.positions)}};
  if (v.types > 0) {
    op.inputs.push_back({.name = "types", .n = v.types * channels});
    op.ints.push_back({"type_ids", spread(tokens, v.types)});
  }
  op.outputs = {{"y", tokens * channels}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      embedding_forward(on, {.y = c["y"],
                             .words = {c["words"], c.ints("ids"), v.words},
                             .positions = {c["positions"], c.ints("position_ids"), v.positions},
                             .types = {c["types"], c.ints("type_ids"), v.types},
                             .tokens = tokens,
                             .channels = channels,
                             .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    const auto table = [&](const char* name, const char* ids, std::int64_t rows) {
      c.run([&](const auto& on) {
        embedding_backward(on, {.dtable = c.grad(name),
                                .dy = c["dy"],
                                .ids = c.ints(ids),
                                .rows = rows,
                                .tokens = tokens,
                                .channels = channels,
                                .padding_id = -1,
                                .dtype = c.dtype()});
      });
    };
    table("words", "ids", v.words);
    table("positions", "position_ids", v.positions);
    if (v.types > 0) table("types", "type_ids", v.types);
  };
  op.forward_work.bytes = elements(3.0 * tokens * channels);
  op.backward_work.bytes = elements(6.0 * tokens * channels + 1.0 * (v.words + v.positions) * channels);
  return op;
}

const char* name_of(PooledRows rows) {
  switch (rows) {
    case PooledRows::kFirst:
      return "first";
    case PooledRows::kLast:
      return "last";
    case PooledRows::kLastReal:
      return "last_real";
    case PooledRows::kAll:
      return "all";
    case PooledRows::kReal:
      return "real";
  }
  return "?";
}

// offsets[B + 1], lengths[B], and rows after the last sequence.
OpCase pool_case(std::vector<std::int32_t> offsets, std::vector<std::int32_t> lengths, std::int64_t rows,
                 std::int64_t channels, PooledRows pooled) {
  const auto sequences = static_cast<std::int64_t>(lengths.size());
  OpCase op{.op = "pool", .label = sizes({sequences, rows, channels}, name_of(pooled)), .tolerance = kReduction};
  op.inputs = {{.name = "x", .n = rows * channels}};
  op.ints = {{"offsets", offsets}, {"lengths", lengths}};
  op.outputs = {{"y", sequences * channels}};
  const auto layout = [=](const Call& c) {
    return PooledLayout{.offsets = c.ints("offsets"),
                        .lengths = c.ints("lengths"),
                        .sequences = sequences,
                        .rows = rows,
                        .channels = channels,
                        .pooled = pooled};
  };
  op.forward = [=](const Call& c) {
    c.run(
        [&](const auto& on) { pool_forward(on, {.y = c["y"], .x = c["x"], .layout = layout(c), .dtype = c.dtype()}); });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      pool_backward(on, {.dx = c.grad("x"), .dy = c["dy"], .layout = layout(c), .dtype = c.dtype()});
    });
  };
  const bool all = pooled == PooledRows::kAll || pooled == PooledRows::kReal;
  op.forward_work.bytes = elements(1.0 * ((all ? rows : sequences) + sequences) * channels);
  op.backward_work.bytes = elements(1.0 * (rows + sequences) * channels);
  return op;
}

// The tables hold the cosines and sines of P angles per channel pair; they are float32 whatever the dtype, so the case passes
// them as integers of the same bits.
OpCase rope_case(std::int64_t rows, std::int64_t heads, std::int64_t head_size, std::int64_t row_stride,
                 bool in_place = false) {
  constexpr std::int64_t kPositions = 50;
  const std::int64_t half = head_size / 2;
  IntInput cosines{"cosines", {}}, sines{"sines", {}};
  for (std::int64_t p = 0; p < kPositions; ++p)
    for (std::int64_t d = 0; d < half; ++d) {
      const double angle =
          static_cast<double>(p) * std::pow(10000.0, -2.0 * static_cast<double>(d) / static_cast<double>(head_size));
      cosines.values.push_back(std::bit_cast<std::int32_t>(static_cast<float>(std::cos(angle))));
      sines.values.push_back(std::bit_cast<std::int32_t>(static_cast<float>(std::sin(angle))));
    }
  OpCase op{.op = "rope", .label = sizes({rows, heads, head_size, row_stride}), .tolerance = kElementwise};
  op.inputs = {{.name = "x", .n = rows * row_stride}};
  op.ints = {cosines, sines, {"position_ids", spread(rows, kPositions)}};
  op.outputs = {{"y", rows * row_stride}};
  op.grads_accumulate = false;
  const auto rotate = [=](const Call& c, void* x, bool inverse) {
    c.run([&](const auto& on) {
      rope(on, {.x = x,
                .cos_table = static_cast<const float*>(c["cosines"]),
                .sin_table = static_cast<const float*>(c["sines"]),
                .positions = c.ints("position_ids"),
                .rows = rows,
                .heads = heads,
                .head_size = head_size,
                .row_stride = row_stride,
                .inverse = inverse,
                .dtype = c.dtype()});
    });
  };
  const auto bytes = [=](const Call& c) { return static_cast<std::size_t>(rows * row_stride) * size_of(c.dtype()); };
  op.forward = [=](const Call& c) {
    if (!in_place) c.backend().copy(c["y"], c["x"], bytes(c));
    rotate(c, c["y"], false);
  };
  op.backward = [=](const Call& c) {
    if (!in_place) c.backend().copy(c.grad("x").data, c["dy"], bytes(c));
    rotate(c, c.grad("x").data, true);
  };
  op.forward_work.bytes = op.backward_work.bytes = elements(2.0 * rows * heads * head_size);
  return op;
}

struct CrossEntropyOptions {
  bool class_weights = false;
  double label_smoothing = 0;
};

OpCase cross_entropy_case(std::int64_t rows, std::int64_t classes, CrossEntropyOptions o = {}) {
  OpCase op{.op = "cross_entropy",
            .label = sizes({rows, classes}, std::string(o.class_weights ? "weights" : "") +
                                                (o.class_weights && o.label_smoothing > 0 ? "_" : "") +
                                                (o.label_smoothing > 0 ? "smoothing" : "")),
            .tolerance = kReduction};
  op.inputs = {{.name = "logits", .n = rows * classes, .low = -5, .high = 5}};
  if (o.class_weights)
    op.inputs.push_back(
        {.name = "class_weights", .n = classes, .differentiable = false, .low = 0.2, .high = 3, .statistic = true});
  op.ints = {{"labels", spread(rows, classes)}};
  op.outputs = {{"loss", 1, true, true}, {"losses", rows, false, true}, {"total_weight", 1, false, true}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      cross_entropy_forward(on, {.loss = c["loss"],
                                 .losses = c["losses"],
                                 .total_weight = c["total_weight"],
                                 .logits = c["logits"],
                                 .labels = c.ints("labels"),
                                 .class_weights = c["class_weights"],
                                 .label_smoothing = o.label_smoothing,
                                 .rows = rows,
                                 .classes = classes,
                                 .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      cross_entropy_backward(on, {.dlogits = c.grad("logits"),
                                  .dloss = c["dloss"],
                                  .total_weight = c["total_weight"],
                                  .logits = c["logits"],
                                  .labels = c.ints("labels"),
                                  .class_weights = c["class_weights"],
                                  .label_smoothing = o.label_smoothing,
                                  .rows = rows,
                                  .classes = classes,
                                  .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements(1.0 * rows * classes);
  op.backward_work.bytes = elements(2.0 * rows * classes);
  return op;
}

// Labels are float32 whatever the dtype, so a case passes them as integers of the same bits.
IntInput float_labels(std::vector<float> values) {
  IntInput out{"labels", {}};
  for (float value : values) out.values.push_back(std::bit_cast<std::int32_t>(value));
  return out;
}

OpCase binary_cross_entropy_case(std::int64_t rows, std::int64_t classes, bool pos_weights) {
  const std::int64_t n = rows * classes;
  OpCase op{.op = "binary_cross_entropy",
            .label = sizes({rows, classes}, pos_weights ? "weights" : ""),
            .tolerance = kReduction};
  op.inputs = {{.name = "logits", .n = n, .low = -5, .high = 5}};
  if (pos_weights)
    op.inputs.push_back(
        {.name = "pos_weights", .n = classes, .differentiable = false, .low = 0.2, .high = 3, .statistic = true});
  std::vector<float> labels;
  for (std::int32_t fifth : spread(n, 5)) labels.push_back(0.25f * static_cast<float>(fifth));  // 0 and 1, and between
  op.ints = {float_labels(labels)};
  op.outputs = {{"loss", 1, true, true}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      binary_cross_entropy_forward(on, {.loss = c["loss"],
                                        .logits = c["logits"],
                                        .labels = static_cast<const float*>(c["labels"]),
                                        .pos_weights = c["pos_weights"],
                                        .rows = rows,
                                        .classes = classes,
                                        .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      binary_cross_entropy_backward(on, {.dlogits = c.grad("logits"),
                                         .dloss = c["dloss"],
                                         .logits = c["logits"],
                                         .labels = static_cast<const float*>(c["labels"]),
                                         .pos_weights = c["pos_weights"],
                                         .rows = rows,
                                         .classes = classes,
                                         .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = {8.0 * n, 6.0 * n};
  op.backward_work.bytes = {12.0 * n, 8.0 * n};
  return op;
}

OpCase mean_squared_error_case(std::int64_t n) {
  OpCase op{.op = "mean_squared_error", .label = sizes({n}), .tolerance = kReduction};
  op.inputs = {{.name = "predictions", .n = n, .low = -3, .high = 3}};
  std::vector<float> labels;
  for (std::int32_t tenth : spread(n, 51)) labels.push_back(0.1f * static_cast<float>(tenth) - 2);
  op.ints = {float_labels(labels)};
  op.outputs = {{"loss", 1, true, true}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      mean_squared_error_forward(on, {.loss = c["loss"],
                                      .predictions = c["predictions"],
                                      .labels = static_cast<const float*>(c["labels"]),
                                      .n = n,
                                      .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      mean_squared_error_backward(on, {.dpredictions = c.grad("predictions"),
                                       .dloss = c["dloss"],
                                       .predictions = c["predictions"],
                                       .labels = static_cast<const float*>(c["labels"]),
                                       .n = n,
                                       .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = {8.0 * n, 6.0 * n};
  op.backward_work.bytes = {12.0 * n, 8.0 * n};
  return op;
}

// Several tensors in one call; unless the case is in place, the state is copied first. grad_scale is a power of two, so that
// float32 and float64 agree on it. Where there is no master copy, `master` is the parameter again.
OpCase adamw_case(std::vector<std::int64_t> extents, bool in_place = false) {
  const std::int64_t n = std::accumulate(extents.begin(), extents.end(), std::int64_t{0});
  OpCase op{.op = "adamw", .label = sizes({static_cast<std::int64_t>(extents.size()), n}), .tolerance = kElementwise};
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
    for (std::int64_t extent : extents) {
      tensors.push_back({.param = c.offset(c["param"], at),
                         .grad = c.offset(c["grad"], at),
                         .m = c.statistic_offset(c["m"], at),
                         .v = c.statistic_offset(c["v"], at),
                         .n = extent,
                         .dtype = c.dtype(),
                         .master = has_master ? c.statistic_offset(c["master"], at) : nullptr});
      at += extent;
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

OpCase grad_norm_case(std::vector<std::int64_t> extents) {
  const std::int64_t n = std::accumulate(extents.begin(), extents.end(), std::int64_t{0});
  OpCase op{
      .op = "grad_norm", .label = sizes({static_cast<std::int64_t>(extents.size()), n}), .tolerance = kElementwise};
  op.inputs = {{.name = "grad", .n = n, .differentiable = false}};
  op.outputs = {{.name = "norm", .n = 1, .differentiable = false, .float64 = true},
                {.name = "scale", .n = 1, .differentiable = false, .float64 = true}};
  op.forward = [=](const Call& c) {
    std::vector<GradNormTensor> tensors;
    std::int64_t at = 0;
    for (std::int64_t extent : extents) {
      tensors.push_back({c.offset(c["grad"], at), extent, c.dtype()});
      at += extent;
    }
    c.run([&](const auto& on) {
      grad_norm(on, {.norm = c.doubles("norm"), .tensors = tensors});
      clip_scale(on, c.doubles("scale"), c.doubles("norm"), 0.1);
    });
  };
  op.forward_work.bytes = elements(1.0 * n);
  return op;
}

constexpr Activation kActivations[] = {Activation::kGeluTanh, Activation::kGeluErf, Activation::kRelu,
                                       Activation::kTanh};
constexpr PooledRows kPooledRows[] = {PooledRows::kFirst, PooledRows::kLast, PooledRows::kLastReal, PooledRows::kAll,
                                      PooledRows::kReal};
// Smallest, around one AVX-512 vector of float, odd primes, a model's width.
constexpr std::int64_t kWidths[] = {1, 15, 16, 17, 37, 131, 768};

}  // namespace

std::vector<OpCase> test_cases() {
  std::vector<OpCase> out;
  for (std::int64_t n : {std::int64_t{1}, std::int64_t{16}, std::int64_t{17}, std::int64_t{40009}}) {
    for (Activation kind : kActivations) out.push_back(activation_case(n, kind));
    out.push_back(fill_case(n));
    out.push_back(scale_case(n));
    out.push_back(cast_case(n));
  }
  for (std::int64_t width : kWidths) {
    for (Activation kind : kActivations) out.push_back(glu_case(3, width, kind));
    for (float p : {0.0f, kDropoutP}) {
      out.push_back(dropout_case(5, width, p));
      out.push_back(residual_case(5, width, p));
    }
    // A row of one channel is its own mean: y = bias, and dx vanishes up to rounding, which no relative bound describes.
    if (width > 1)
      for (LayerNormOptions o : {LayerNormOptions{},
                                 {.bias = false},
                                 {.residual = true},
                                 {.residual = true, .p = kDropoutP},
                                 {.residual = true, .stream = true}})
        out.push_back(layernorm_case(7, width, o));
    out.push_back(cross_entropy_case(3, width + 1));
    for (CrossEntropyOptions o : {CrossEntropyOptions{.class_weights = true},
                                  {.label_smoothing = 0.1},
                                  {.class_weights = true, .label_smoothing = 0.35}})
      out.push_back(cross_entropy_case(3, width + 1, o));
    for (bool pos_weights : {false, true}) out.push_back(binary_cross_entropy_case(3, width, pos_weights));
    out.push_back(mean_squared_error_case(width));
    out.push_back(embedding_case(23, width, {11, 9, 0, -1}));
    out.push_back(embedding_case(23, width, {11, 9, 2, -1}));
    for (PooledRows pooled : kPooledRows) out.push_back(pool_case({0, 4, 6, 11}, {3, 2, 0}, 13, width, pooled));
  }
  out.push_back(layernorm_case(1000, 37, {.residual = true, .p = kDropoutP}));
  out.push_back(cross_entropy_case(129, 2));
  out.push_back(cross_entropy_case(129, 2, {.class_weights = true, .label_smoothing = 0.1}));
  out.push_back(binary_cross_entropy_case(129, 28, true));
  out.push_back(embedding_case(1, 1, {1, 1, 0, -1}));
  for (PooledRows pooled : kPooledRows) {
    out.push_back(pool_case({0, 1}, {1}, 1, 17, pooled));
    out.push_back(pool_case({0, 700, 1000}, {600, 300}, 1000, 37, pooled));
  }
  for (bool bias : {false, true})
    for (auto [n, i, o] : {std::array<std::int64_t, 3>{1, 1, 1},
                           {1, 16, 16},
                           {3, 17, 15},
                           {16, 15, 17},
                           {37, 131, 41},
                           {8, 768, 2},
                           {131, 64, 192},
                           {1031, 37, 67}})
      out.push_back(linear_case(n, i, o, bias));
  for (std::int64_t head_size : {2, 6, 32, 64}) {
    out.push_back(rope_case(7, 1, head_size, head_size));
    out.push_back(rope_case(7, 3, head_size, 9 * head_size));
  }
  for (const AttentionSpec& spec : attention_test_specs()) out.push_back(attention_case(spec));
  out.push_back(adamw_case({1}));
  out.push_back(adamw_case({16, 17, 1, 131}));
  out.push_back(adamw_case({40009, 37}));
  out.push_back(grad_norm_case({1}));
  out.push_back(grad_norm_case({16, 17, 1, 131}));
  out.push_back(grad_norm_case({40009, 37}));
  return out;
}

std::vector<OpCase> speed_cases(SpeedSizes sizes) {
  if (sizes == SpeedSizes::kCeiling) {
    OpCase product = linear_case(8192, 8192, 8192, false);
    product.backward = nullptr;
    return {product};
  }
  const bool real = sizes == SpeedSizes::kReal;
  const std::int64_t tokens = real ? 2048 : 40, words = real ? 50257 : 101, classes_rows = real ? 64 : 4;
  std::vector<OpCase> out;
  out.push_back(fill_case(1));  // what a launch costs
  for (const std::int64_t width : real ? std::vector<std::int64_t>{768, 1024} : std::vector<std::int64_t>{64}) {
    for (Activation kind : kActivations) out.push_back(activation_case(tokens * 4 * width, kind));
    out.push_back(glu_case(tokens, width * 3 / 2, Activation::kGeluErf));
    out.push_back(fill_case(words * width));
    out.push_back(scale_case(tokens * width));
    out.push_back(cast_case(tokens * width));
    out.push_back(dropout_case(tokens, width, 0.1f));
    out.push_back(residual_case(tokens, width, 0));
    out.push_back(residual_case(tokens, width, 0.1f));
    out.push_back(layernorm_case(tokens, width, {}));
    out.push_back(layernorm_case(tokens, width, {.residual = true}));
    out.push_back(layernorm_case(tokens, width, {.residual = true, .p = 0.1f}));
    out.push_back(embedding_case(tokens, width, {words, real ? 1024 : 50, 0, -1}));
    const auto sequence = static_cast<std::int32_t>(tokens / 8);
    std::vector<std::int32_t> offsets;
    for (std::int32_t b = 0; b <= 8; ++b) offsets.push_back(b * sequence);
    for (PooledRows pooled : {PooledRows::kLast, PooledRows::kAll})
      out.push_back(pool_case(offsets, std::vector<std::int32_t>(8, sequence), tokens, width, pooled));
    out.push_back(rope_case(tokens, width / 64, 64, 3 * width, true));
    for (auto [i, o] :
         {std::array<std::int64_t, 2>{width, width}, {width, 3 * width}, {width, 4 * width}, {4 * width, width}})
      out.push_back(linear_case(tokens, i, o, true));
    out.push_back(linear_case(8, width, 2, true));
    out.push_back(adamw_case({words * width}, true));
    out.push_back(grad_norm_case({words * width}));
  }
  out.push_back(cross_entropy_case(8, 2));
  out.push_back(cross_entropy_case(classes_rows, words));
  out.push_back(cross_entropy_case(classes_rows, words, {.class_weights = true, .label_smoothing = 0.1}));
  out.push_back(binary_cross_entropy_case(classes_rows, 28, true));
  out.push_back(mean_squared_error_case(classes_rows));
  for (const AttentionSpec& spec : attention_speed_specs(sizes)) out.push_back(attention_case(spec));
  if (real)  // a small model
    for (auto [i, o] : {std::array<std::int64_t, 2>{256, 256}, {256, 1024}, {1024, 256}})
      out.push_back(linear_case(tokens, i, o, true));
  return out;
}

}  // namespace attune::testing
