// The random start of every family: the deviation of each table, its cut, and the rows that are zero.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/models/small_models.h"

namespace attune::testing {
namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};
Moments moments(const Tensor& x) {
  Moments out;
  for (float v : x.values<float>()) {
    out.mean += v;
    out.deviation += static_cast<double>(v) * v;
    out.largest = std::max(out.largest, std::abs(static_cast<double>(v)));
  }
  const auto n = static_cast<double>(x.numel());
  out.mean /= n;
  out.deviation = std::sqrt(out.deviation / n);
  return out;
}

TEST(InitialValues, PaddingRowsAreZeroAndDeviationsTheFamilys) {
  for (const NamedTensor& tensor : tensors_of(*random_model("roberta"))) {
    if (tensor.name.ends_with("LayerNorm.weight") || tensor.name.ends_with(".bias")) continue;
    EXPECT_NEAR(moments(tensor.tensor).deviation, 0.02, tensor.tensor.numel() < 100 ? 0.01 : 0.003) << tensor.name;
    const bool padded =
        tensor.name.ends_with(".word_embeddings.weight") || tensor.name.ends_with(".position_embeddings.weight");
    if (padded) {
      EXPECT_EQ(moments(tensor.tensor.rows(1, 2)).largest, 0) << tensor.name;
    }
  }
  const double truncated = 0.8796;  // deviation of a standard normal cut at +-2
  for (const NamedTensor& tensor : tensors_of(*random_model("modernbert"))) {
    if (tensor.name.ends_with("norm.weight") || tensor.name.ends_with(".bias")) continue;
    const bool output = tensor.name.ends_with("Wo.weight") || tensor.name == "head.dense.weight";
    const double range = tensor.name == "classifier.weight" ? 1 / std::sqrt(24.0)
                         : output                           ? 0.02 / std::sqrt(8.0)
                                                            : 0.02;
    EXPECT_LE(moments(tensor.tensor).largest, 2 * range * (1 + 1e-6)) << tensor.name;
    EXPECT_NEAR(moments(tensor.tensor).deviation / range, truncated, tensor.tensor.numel() < 100 ? 0.3 : 0.08)
        << tensor.name;
  }
}

}  // namespace
}  // namespace attune::testing
