// The layers every model here is made of.
#pragma once

#include <cstdint>
#include <string>

#include "engine/autograd/functions.h"
#include "engine/nn/module.h"

namespace attune {

/// y = x W^T + b, weight [outputs, inputs], bias [outputs] or none. A layer that sees one row per sequence costs little
/// and decides much: kNever keeps it from being rounded where others are.
class Linear : public Module {
 public:
  using Rounding = Parameter::Rounding;
  Linear(std::int64_t inputs, std::int64_t outputs, bool bias, DType dtype, Rounding rounding = Rounding::kAllowed);
  Variable operator()(const Variable& x) const { return linear(x, weight, bias); }
  /// What inputs and outputs are held in.
  DType dtype() const { return weight.value().dtype(); }
  void for_each_parameter(const Visitor& visit, const std::string& prefix) const override;

  Parameter weight, bias;
};

/// Layer norm over `channels` features, weight [channels], bias [channels] or none.
class LayerNorm : public Module {
 public:
  LayerNorm(std::int64_t channels, double eps, bool bias, DType dtype);
  /// The norm of a part of the residual stream, rounded to `dtype`.
  Variable operator()(const Variable& x, DType dtype) const { return layernorm(x, weight, bias, eps, dtype); }
  /// sum = residual + dropout(branch), and its norm; `stream`: also unrounded, as the next residual.
  ResidualNorm operator()(const Variable& residual, const Variable& branch, const DropoutSpec& dropout,
                          bool stream = false) const {
    return residual_layernorm(residual, branch, weight, bias, {eps, dropout, stream});
  }
  void for_each_parameter(const Visitor& visit, const std::string& prefix) const override;

  Parameter weight, bias;
  double eps;
};

/// A table [rows, channels]; the row padding_id (or -1) gets no gradient.
class Embedding : public Module {
 public:
  Embedding(std::int64_t rows, std::int64_t channels, DType dtype, std::int64_t padding_id = -1);
  EmbeddingInput lookup(const Tensor& ids) const { return {weight, ids, padding_id}; }
  void for_each_parameter(const Visitor& visit, const std::string& prefix) const override;

  Parameter weight;
  std::int64_t padding_id;
};

}  // namespace attune
