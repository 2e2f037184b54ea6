// Initial values, drawn from the reference's generator (base/torch_random.h) in its order and float32 arithmetic.
#pragma once

#include "base/torch_random.h"
#include "engine/tensor/tensor.h"

namespace attune::init {

/// Tensor.uniform_(low, high).
void uniform(TorchGenerator& generator, const Tensor& x, float low, float high);
/// Tensor.normal_(0, stddev).
void normal(TorchGenerator& generator, const Tensor& x, float stddev);
/// torch.nn.init.trunc_normal_(0, stddev), cut at +-2 stddev.
void trunc_normal(TorchGenerator& generator, const Tensor& x, float stddev);
/// torch.nn.Linear's default: U(-1/sqrt(inputs), 1/sqrt(inputs)) for the weight [outputs, inputs], then the bias
/// [outputs] (or undefined).
void torch_linear(TorchGenerator& generator, const Tensor& weight, const Tensor& bias);

}  // namespace attune::init
