// Cases of the layers: linear, layer normalisation, embedding, pooling and rotary embedding.
#include <bit>
#include <cmath>
#include <string>

#include "kernels/embedding.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/max_pool.h"
#include "kernels/pool.h"
#include "kernels/rope.h"
#include "tests/kernels/case_parts.h"
#include "tests/kernels/op_cases.h"

namespace attune::testing {
namespace {

using namespace kernels;

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

}  // namespace

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

// offsets[B + 1], and rows after the last sequence.
OpCase max_pool_case(const std::vector<std::int32_t>& offsets, std::int64_t rows, std::int64_t channels) {
  const std::int64_t sequences = std::ssize(offsets) - 1;
  OpCase op{.op = "max_pool", .label = sizes({sequences, rows, channels}), .tolerance = kElementwise};
  // A step of a numerical derivative must not change which value is the largest.
  const double range = 0.05 * static_cast<double>(rows);
  op.inputs = {{.name = "x", .n = rows * channels, .low = -range, .high = range, .columns = channels}};
  op.ints = {{"offsets", offsets}};
  op.outputs = {{"y", sequences * channels}};
  const auto layout = [=](const Call& c) {
    return MaxPoolLayout{.offsets = c.ints("offsets"), .sequences = sequences, .rows = rows, .channels = channels};
  };
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      max_pool_forward(on, {.y = c["y"], .x = c["x"], .layout = layout(c), .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    c.run([&](const auto& on) {
      max_pool_backward(on, {.dx = c.grad("x"), .dy = c["dy"], .x = c["x"], .layout = layout(c), .dtype = c.dtype()});
    });
  };
  op.forward_work.bytes = elements(1.0 * (rows + sequences) * channels);
  op.backward_work.bytes = elements(1.0 * (2 * rows + sequences) * channels);
  return op;
}

// The tables hold the cosines and sines of P angles per channel pair; they are float32 whatever the dtype, so the case passes
// them as integers of the same bits.
OpCase rope_case(std::int64_t rows, std::int64_t heads, std::int64_t head_size, std::int64_t row_stride,
                 bool in_place) {
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

}  // namespace attune::testing
