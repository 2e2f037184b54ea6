#include "apps/support/peak_rate.h"

#include <algorithm>
#include <random>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "engine/ops/linear.h"
#include "engine/tensor/context.h"
#include "engine/tensor/tensor.h"

namespace attune {
namespace {

constexpr std::int64_t kEdges[] = {256, 1024, 4096};  // the first that takes long enough
constexpr double kLongEnough = 0.002;                 // seconds, for the start of a product not to count
constexpr int kRounds = 5;
constexpr int kProductsOfRound = 4;  // started together, so that a device does not wait between them

// Not zeros: with them a device draws less power, and is faster than it ever is in a run.
Tensor random_square(std::int64_t edge, Device device, DType dtype) {
  std::minstd_rand generator(static_cast<unsigned>(edge));
  std::vector<float> values(static_cast<std::size_t>(edge * edge));
  for (float& value : values) value = static_cast<float>(generator() % 2048) / 1024 - 1;
  return Tensor::from(values, {edge, edge}).cast(dtype).to(device);
}

class Product {
 public:
  Product(std::int64_t edge, Device device, DType dtype)
      : x_(random_square(edge, device, dtype)), weight_(random_square(edge, device, dtype)) {
    seconds(1);  // a device chooses the algorithm of a shape at its first product
  }

  /// Of each of so many products in a row.
  double seconds(int count) const {
    const auto begin = Clock::now();
    Tensor y;
    for (int i = 0; i < count; ++i) y = ops::linear_forward(x_, weight_, {});
    (void)y.rows(0, 1).to(Device::kCpu);  // waits for them
    return seconds_since(begin) / count;
  }

 private:
  Tensor x_, weight_;
};

double measured_rate(Device device, DType dtype) {
  for (const std::int64_t edge : kEdges) {
    const Product product(edge, device, dtype);
    double seconds = product.seconds(1);
    if (seconds < kLongEnough && edge != *std::rbegin(kEdges)) continue;
    for (int round = 0; round < kRounds; ++round) seconds = std::min(seconds, product.seconds(kProductsOfRound));
    const auto n = static_cast<double>(edge);
    return 2 * n * n * n / seconds;
  }
  return 0;
}

}  // namespace

double peak_product_rate(Device device, DType dtype) {
  double rate = 0;
  try {
    rate = measured_rate(device, dtype);
  } catch (const OutOfMemory&) {  // the run itself needs less
  }
  if (device == Device::kCuda) release_cuda_memory();
  return rate;
}

}  // namespace attune
