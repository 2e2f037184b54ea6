// The layers every model here is made of. They are made through a ParameterTable (engine/nn/parameter_table.h).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/autograd/functions.h"
#include "engine/nn/parameter.h"
#include "engine/nn/token_batch.h"

namespace attune {

/// A change of a linear layer's weight by a product of two thin matrices: W + scale B A. W itself may stay frozen.
/// Hu et al.: "LoRA: low-rank adaptation of large language models", arXiv 2106.09685.
struct LowRank {
  Parameter a, b;  // [rank, inputs], [outputs, rank]
  double scale;
  float dropout;       // of the inputs of A, in training
  std::uint32_t site;  // of that dropout

  /// scale B A, [outputs, inputs], from the exact values, float32 on the host.
  Tensor product() const;
};

/// y = x W^T + b.
struct Linear {
  /// Of a layer that has no low-rank change.
  Variable operator()(const Variable& x) const {
    DCHECK(!changed());
    return linear(x, weight, bias);
  }
  /// The same with the low-rank change of W, if it has one; row_keys are those of the rows of x.
  Variable operator()(const Variable& x, const ForwardPass& pass, const Tensor& row_keys) const {
    if (!changed()) return linear(x, weight, bias);
    const Variable h = linear(dropout(x, pass.dropout(change->dropout, change->site, row_keys)), change->a, {});
    return add_low_rank(linear(x, weight, bias), h, change->b, change->scale);
  }
  bool changed() const { return change != nullptr && change->a.defined(); }
  bool drops_inputs() const { return changed() && change->dropout > 0; }
  /// The type of inputs and outputs.
  DType dtype() const { return weight.value().dtype(); }

  Parameter weight, bias;                      // [outputs, inputs]; [outputs] or none
  std::shared_ptr<const LowRank> change = {};  // its matrices are undefined until ParameterTable::add_low_rank
};

/// Whether one of the layers reads row keys in training.
template <class... Linears>
bool drops(const Linears&... layers) {
  return (layers.drops_inputs() || ...);
}

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
