// The layers every model here is made of. They are made through a ParameterTable (engine/nn/parameter_table.h).
#pragma once

#include <cstdint>

#include "engine/autograd/functions.h"
#include "engine/nn/parameter.h"

namespace attune {

/// y = x W^T + b.
struct Linear {
  Variable operator()(const Variable& x) const { return linear(x, weight, bias); }
  /// The type of inputs and outputs.
  DType dtype() const { return weight.value().dtype(); }

  Parameter weight, bias;  // [outputs, inputs]; [outputs] or none
};

/// Layer norm over the features.
struct LayerNorm {
  /// The norm of a part of the residual stream, rounded to `dtype`.
  Variable operator()(const Variable& x, DType dtype) const { return layernorm(x, weight, bias, eps, dtype); }
  /// sum = residual + dropout(branch), and its norm; `stream`: also unrounded, as the next residual.
  ResidualNorm operator()(const Variable& residual, const Variable& branch, const DropoutSpec& dropout,
                          bool stream = false) const {
    return residual_layernorm(residual, branch, weight, bias, {eps, dropout, stream});
  }

  Parameter weight, bias;  // [channels]; [channels] or none
  double eps;
};

/// A table of rows.
struct Embedding {
  EmbeddingInput lookup(const Tensor& ids) const { return {weight, ids, padding_id}; }

  Parameter weight;              // [rows, channels]
  std::int64_t padding_id = -1;  // the row that gets no gradient; -1: none
};

}  // namespace attune
