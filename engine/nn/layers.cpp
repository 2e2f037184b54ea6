#include "engine/nn/layers.h"

#include "engine/ops/fill.h"

namespace attune {
namespace {

Parameter make_parameter(const Shape& shape, DType dtype, Parameter::Rounding rounding = Parameter::Rounding::kNever) {
  return Parameter(Tensor::zeros(shape, dtype), rounding);
}

}  // namespace

Linear::Linear(std::int64_t inputs, std::int64_t outputs, bool with_bias, DType dtype, Rounding rounding)
    : weight(make_parameter({outputs, inputs}, dtype, rounding)),
      bias(with_bias ? make_parameter({outputs}, dtype, rounding) : Parameter()) {}

void Linear::for_each_parameter(const Visitor& visit, const std::string& prefix) const {
  visit(prefix + "weight", weight);
  if (bias.defined()) visit(prefix + "bias", bias);
}

LayerNorm::LayerNorm(std::int64_t channels, double eps_, bool with_bias, DType dtype)
    : weight(make_parameter({channels}, dtype)),
      bias(with_bias ? make_parameter({channels}, dtype) : Parameter()),
      eps(eps_) {
  ops::fill(weight.value(), 1);
}

void LayerNorm::for_each_parameter(const Visitor& visit, const std::string& prefix) const {
  visit(prefix + "weight", weight);
  if (bias.defined()) visit(prefix + "bias", bias);
}

Embedding::Embedding(std::int64_t rows, std::int64_t channels, DType dtype, std::int64_t padding_id_)
    : weight(make_parameter({rows, channels}, dtype)), padding_id(padding_id_) {}

void Embedding::for_each_parameter(const Visitor& visit, const std::string& prefix) const {
  visit(prefix + "weight", weight);
}

}  // namespace attune
