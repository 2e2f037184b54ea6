#include "engine/nn/init.h"

#include <cmath>

namespace attune::init {
namespace {

// Draws float32 values and stores them in the tensor's own type.
template <class Draw>
void draw_into(const Tensor& x, Draw draw) {
  if (x.dtype() == DType::kFloat32) {
    draw(x.values<float>());
    return;
  }
  const Tensor drawn = Tensor::empty(x.shape(), DType::kFloat32);
  draw(drawn.values<float>());
  x.copy_from(drawn.cast(x.dtype()));
}

}  // namespace

void uniform(TorchGenerator& generator, const Tensor& x, float low, float high) {
  draw_into(x, [&](std::span<float> out) { generator.uniform(out, low, high); });
}

void normal(TorchGenerator& generator, const Tensor& x, float stddev) {
  draw_into(x, [&](std::span<float> out) { generator.normal(out, 0, stddev); });
}

void trunc_normal(TorchGenerator& generator, const Tensor& x, float stddev) {
  draw_into(x, [&](std::span<float> out) { generator.trunc_normal(out, stddev); });
}

void torch_linear(TorchGenerator& generator, const Tensor& weight, const Tensor& bias) {
  // kaiming_uniform_(a = sqrt(5)): sqrt(3) * sqrt(2 / 6) / sqrt(inputs), in double.
  const double inputs = static_cast<double>(weight.shape()[1]);
  const double weight_bound = std::sqrt(3.0) * (std::sqrt(2.0 / (1.0 + 5.0)) / std::sqrt(inputs));
  uniform(generator, weight, static_cast<float>(-weight_bound), static_cast<float>(weight_bound));
  if (!bias.defined()) return;
  const double bias_bound = 1.0 / std::sqrt(inputs);
  uniform(generator, bias, static_cast<float>(-bias_bound), static_cast<float>(bias_bound));
}

}  // namespace attune::init
