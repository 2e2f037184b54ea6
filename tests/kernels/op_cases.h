// One function per op makes a case of it at given sizes (op_case.h). Attention has a file of its own (attention_case.h).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/activation.h"
#include "kernels/pool.h"
#include "tests/kernels/op_case.h"

namespace attune::testing {

// elementwise_cases.cpp

OpCase activation_case(std::int64_t n, kernels::Activation kind);
OpCase glu_case(std::int64_t rows, std::int64_t channels, kernels::Activation kind);
OpCase fill_case(std::int64_t n);
OpCase scale_case(std::int64_t n);
OpCase cast_case(std::int64_t n);
OpCase rank_sum_case(std::int64_t ranks, std::int64_t n);
OpCase dropout_case(std::int64_t rows, std::int64_t channels, float p);
OpCase residual_case(std::int64_t rows, std::int64_t channels, float p);

// layer_cases.cpp

OpCase linear_case(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, bool bias);

struct LayerNormOptions {
  bool bias = true, residual = false;
  float p = 0;
  bool stream = false;
};

OpCase layernorm_case(std::int64_t rows, std::int64_t channels, LayerNormOptions o);

struct Vocabulary {
  std::int64_t words, positions, types, padding_id;
};

OpCase embedding_case(std::int64_t tokens, std::int64_t channels, Vocabulary v);

/// offsets [B + 1], lengths [B]. There may be rows after the last sequence.
OpCase pool_case(std::vector<std::int32_t> offsets, std::vector<std::int32_t> lengths, std::int64_t rows,
                 std::int64_t channels, kernels::PooledRows pooled);
OpCase max_pool_case(const std::vector<std::int32_t>& offsets, std::int64_t rows, std::int64_t channels);
OpCase rope_case(std::int64_t rows, std::int64_t heads, std::int64_t head_size, std::int64_t row_stride,
                 bool in_place = false);

// loss_cases.cpp

struct CrossEntropyOptions {
  bool class_weights = false;
  double label_smoothing = 0;
};

OpCase cross_entropy_case(std::int64_t rows, std::int64_t classes, CrossEntropyOptions o = {});
OpCase binary_cross_entropy_case(std::int64_t rows, std::int64_t classes, bool pos_weights);
OpCase mean_squared_error_case(std::int64_t n);

// optimizer_cases.cpp

/// Tensors of the given lengths in one call.
OpCase adamw_case(std::vector<std::int64_t> lengths, bool in_place = false);
/// A table of which a step uses some rows, with a batch of so many tokens.
OpCase adamw_rows_case(std::int64_t rows, std::int64_t channels, std::int64_t tokens, bool in_place = false);
/// Tensors of the given lengths in one call, as always of the statistic type.
OpCase moving_average_case(std::vector<std::int64_t> lengths, bool in_place = false);
OpCase grad_norm_case(std::vector<std::int64_t> lengths);

}  // namespace attune::testing
