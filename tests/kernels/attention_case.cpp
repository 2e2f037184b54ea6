#include "tests/kernels/attention_case.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention.h"

namespace attune::testing {
namespace {

using namespace kernels;

struct Rows {
  std::vector<std::int32_t> offsets{0}, keys;
};

Rows rows_of(const AttentionSpec& spec) {
  Rows out;
  for (std::size_t b = 0; b < spec.lengths.size(); ++b) {
    for (std::int32_t t = 0; t < spec.lengths[b]; ++t)
      out.keys.push_back(
          static_cast<std::int32_t>(row_key(static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(t))));
    out.offsets.push_back(out.offsets.back() + spec.lengths[b]);
  }
  return out;
}

AttentionLayout layout_of(const Call& c, const AttentionSpec& spec, std::int64_t rows) {
  return {.offsets = c.ints("offsets"),
          .key_lengths = spec.key_lengths.empty() ? nullptr : c.ints("key_lengths"),
          .sequences = static_cast<std::int64_t>(spec.lengths.size()),
          .max_length = *std::max_element(spec.lengths.begin(), spec.lengths.end()),
          .rows = rows,
          .heads = spec.heads,
          .head_size = spec.head_size,
          .causal = spec.causal,
          .window = spec.window,
          .scale = 1.0 / std::sqrt(static_cast<double>(spec.head_size)),
          .dropout = mask_of(c, spec.p, kAttentionSeed, kAttentionStep, kAttentionSite)};
}

}  // namespace

OpCase attention_case(const AttentionSpec& spec) {
  const Rows r = rows_of(spec);
  const auto rows = static_cast<std::int64_t>(r.keys.size());
  const std::int64_t width = spec.heads * spec.head_size;
  OpCase op{.op = "attention", .label = spec.label, .tolerance = kAttention};
  op.inputs = {{.name = "qkv", .n = rows * 3 * width, .low = -2, .high = 2}};
  op.ints = {{"offsets", r.offsets}};
  with_masks(op, r.keys, kAttentionStep);
  if (!spec.key_lengths.empty()) op.ints.push_back({"key_lengths", spec.key_lengths});
  op.outputs = {{"out", rows * width}, {"lse", spec.heads * rows, false, true}};
  op.grads_accumulate = false;
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      attention_forward(on, {.out = c["out"],
                             .lse = c["lse"],
                             .q = c["qkv"],
                             .k = c.offset(c["qkv"], width),
                             .v = c.offset(c["qkv"], 2 * width),
                             .row_stride = 3 * width,
                             .layout = layout_of(c, spec, rows),
                             .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    void* dqkv = c.grad("qkv").data;
    c.run([&](const auto& on) {
      attention_backward(on, {.dq = dqkv,
                              .dk = c.offset(dqkv, width),
                              .dv = c.offset(dqkv, 2 * width),
                              .dout = c["dout"],
                              .out = c["out"],
                              .lse = c["lse"],
                              .q = c["qkv"],
                              .k = c.offset(c["qkv"], width),
                              .v = c.offset(c["qkv"], 2 * width),
                              .row_stride = 3 * width,
                              .layout = layout_of(c, spec, rows),
                              .dtype = c.dtype()});
    });
  };
  double pairs = 0;  // of a query and a key it may see
  for (std::int32_t length : spec.lengths)
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t reach = spec.window < 0 ? length : spec.window;
      const std::int64_t last = spec.causal ? i : std::min<std::int64_t>(length - 1, i + reach);
      pairs += static_cast<double>(last - std::max<std::int64_t>(0, i - reach) + 1);
    }
  op.forward_work = {elements(4.0 * rows * width), 4.0 * pairs * width};
  op.backward_work = {elements(8.0 * rows * width), 10.0 * pairs * width};
  return op;
}

std::vector<AttentionSpec> attention_test_specs() {
  return {
      {.label = "smallest", .lengths = {1}, .head_size = 1},
      {.label = "one_vector", .lengths = {16}, .head_size = 16},
      {.label = "odd_head", .lengths = {17, 15}, .heads = 3, .head_size = 5},
      {.label = "causal", .lengths = {37, 37}, .heads = 2, .head_size = 32, .causal = true},
      {.label = "packed", .lengths = {5, 131, 1, 16}, .heads = 2, .head_size = 64},
      {.label = "packed_causal", .lengths = {131, 5, 17}, .heads = 2, .head_size = 17, .causal = true},
      {.label = "padded", .lengths = {19, 19, 19}, .key_lengths = {19, 7, 1}, .heads = 2, .head_size = 32},
      {.label = "padded_causal",
       .lengths = {19, 19},
       .key_lengths = {19, 7},
       .heads = 2,
       .head_size = 32,
       .causal = true},
      {.label = "no_key", .lengths = {9, 9}, .key_lengths = {9, 0}, .heads = 2, .head_size = 8},
      {.label = "window", .lengths = {67, 3}, .heads = 2, .head_size = 32, .window = 4},
      {.label = "window_0", .lengths = {9}, .head_size = 8, .window = 0},
      {.label = "window_beyond_padding", .lengths = {40}, .key_lengths = {10}, .head_size = 16, .window = 5},
      {.label = "window_causal", .lengths = {67}, .head_size = 16, .causal = true, .window = 7},
      {.label = "dropout_32", .lengths = {21, 9}, .heads = 2, .head_size = 32, .p = 0.2f},
      {.label = "dropout_64_causal", .lengths = {35}, .heads = 2, .head_size = 64, .causal = true, .p = 0.2f},
      {.label = "dropout_128", .lengths = {18, 7}, .key_lengths = {18, 3}, .head_size = 128, .p = 0.2f},
      {.label = "dropout_odd_window", .lengths = {45}, .heads = 2, .head_size = 7, .window = 6, .p = 0.2f},
      // Batches filled up: sequences of no rows, and a last one that is padding alone.
      {.label = "no_rows", .lengths = {0, 33, 0, 5, 0}, .key_lengths = {0, 33, 0, 5, 0}, .heads = 2, .head_size = 32},
      {.label = "filled_up", .lengths = {37, 70, 130}, .key_lengths = {37, 70, 0}, .heads = 2, .head_size = 64},
      {.label = "filled_up_causal",
       .lengths = {37, 70, 5},
       .key_lengths = {37, 70, 0},
       .heads = 2,
       .head_size = 32,
       .causal = true},
      {.label = "filled_up_window",
       .lengths = {90, 70},
       .key_lengths = {90, 0},
       .heads = 2,
       .head_size = 32,
       .window = 5},
      {.label = "filled_up_dropout",
       .lengths = {20, 0, 70},
       .key_lengths = {20, 0, 0},
       .heads = 2,
       .head_size = 128,
       .p = 0.2f},
      {.label = "filled_up_odd",
       .lengths = {20, 18},
       .key_lengths = {20, 0},
       .head_size = 7,
       .causal = true,
       .window = 3,
       .p = 0.2f},
      // Sequences up to 256, which one kernel's block can take in backward.
      {.label = "whole_head", .lengths = {256, 1}, .head_size = 64},
      {.label = "whole_head_causal", .lengths = {65, 250}, .heads = 2, .head_size = 64, .causal = true, .p = 0.1f},
      {.label = "whole_head_window", .lengths = {200, 7}, .key_lengths = {180, 7}, .head_size = 64, .window = 30},
      {.label = "whole_head_window_causal", .lengths = {240}, .head_size = 32, .causal = true, .window = 70, .p = 0.1f},
      {.label = "half_head", .lengths = {128, 100}, .head_size = 64, .p = 0.2f},
      {.label = "half_head_causal", .lengths = {97}, .heads = 2, .head_size = 48, .causal = true},
      {.label = "several_blocks", .lengths = {300, 257}, .head_size = 64, .causal = true, .p = 0.1f},
      {.label = "long_window", .lengths = {700}, .head_size = 32, .window = 64},
  };
}

std::vector<AttentionSpec> attention_speed_specs(SpeedSizes sizes) {
  if (sizes == SpeedSizes::kTiny)
    return {{.label = "2x20_causal_h2_d64", .lengths = {20, 20}, .heads = 2, .head_size = 64, .causal = true},
            {.label = "2x20_h2_d64_dropout", .lengths = {20, 20}, .heads = 2, .head_size = 64, .p = 0.1f},
            {.label = "1x40_h2_d64_window8", .lengths = {40}, .heads = 2, .head_size = 64, .window = 8}};
  const std::vector<std::int32_t> eight(8, 256);
  return {
      {.label = "8x256_causal_h4_d64", .lengths = eight, .heads = 4, .head_size = 64, .causal = true},
      {.label = "8x256_causal_h12_d64", .lengths = eight, .heads = 12, .head_size = 64, .causal = true},
      {.label = "8x256_h12_d64", .lengths = eight, .heads = 12, .head_size = 64},
      {.label = "8x256_h12_d64_dropout", .lengths = eight, .heads = 12, .head_size = 64, .p = 0.1f},
      {.label = "8x256_causal_h16_d64", .lengths = eight, .heads = 16, .head_size = 64, .causal = true},
      {.label = "8x256_h16_d64_dropout", .lengths = eight, .heads = 16, .head_size = 64, .p = 0.1f},
      {.label = "2x1024_causal_h12_d64", .lengths = {1024, 1024}, .heads = 12, .head_size = 64, .causal = true},
      {.label = "8x256_h12_d64_window64", .lengths = eight, .heads = 12, .head_size = 64, .window = 64},
      {.label = "1x2048_h12_d64_window64", .lengths = {2048}, .heads = 12, .head_size = 64, .window = 64},
  };
}

}  // namespace attune::testing
