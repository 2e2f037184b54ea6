// The losses and their gradients against PyTorch's in float64 (golden/tasks.json), every row found there, on the CPU and,
// where there is one, on the CUDA device.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/autograd/functions.h"
#include "kernels/cuda/device_info.h"
#include "tests/support/data.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;

struct Place {
  const char* name;
  Device device;
  DType dtype;
  double tolerance;  // relative to numbers above 1, absolute below
};

class Losses : public ::testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (GetParam().device == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }

  Tensor tensor_of(const std::vector<double>& values, const Shape& shape, DType dtype) const {
    return Tensor::from(values, shape).cast(dtype).to(GetParam().device);
  }
  // A JSON list of lists.
  Tensor matrix_of(const Json& rows, DType dtype) const {
    std::vector<double> values;
    for (const Json& row : rows)
      for (const Json& value : row) values.push_back(value);
    return tensor_of(values, {std::ssize(rows), std::ssize(rows.at(0))}, dtype);
  }
  // A JSON list under `key`, in the type of weights; undefined where there is none.
  Tensor weights_of(const Json& row, const char* key) const {
    if (!row.contains(key)) return {};
    return tensor_of(row[key], {std::ssize(row[key])}, GetParam().dtype);
  }

  Variable loss_of(const Variable& logits, const Json& row) const {
    const std::string kind = row["kind"];
    if (kind == "cross_entropy") {
      const Tensor labels = Tensor::from(row["labels"].get<std::vector<std::int32_t>>(), {logits.shape()[0]});
      return cross_entropy(
          logits, labels.to(GetParam().device),
          {.class_weights = weights_of(row, "class_weights"), .label_smoothing = row.value("label_smoothing", 0.0)});
    }
    const Tensor labels = matrix_of(row["labels"], DType::kFloat32);
    if (kind == "multi_label") return binary_cross_entropy(logits, labels, weights_of(row, "pos_weights"));
    CHECK(kind == "regression", "golden/tasks.json has a loss of an unknown kind, ", kind);
    return mean_squared_error(logits, labels);
  }

  // The loss; the logits have their gradients then.
  double loss_with_gradients(const Variable& logits, const Json& row) const {
    Tape tape;
    Variable loss;
    {
      const Tape::Recording recording(tape);
      loss = loss_of(logits, row);
    }
    tape.backward(loss);
    return loss.value().to(Device::kCpu).item();
  }

  void expect_near(double value, double expected, const std::string& what) const {
    EXPECT_NEAR(value, expected, GetParam().tolerance * std::max(1.0, std::fabs(expected))) << what;
  }
};

TEST_P(Losses, AgreeWithTheReference) {
  ATTUNE_DATA_OR_SKIP(data);
  std::ifstream file(data / "golden/tasks.json");
  const Json cases = Json::parse(file)["losses"];
  ASSERT_FALSE(cases.empty());
  for (const Json& one : cases)
    for (const Json& row : one["rows"]) {
      const std::string what = row["kind"].get<std::string>() + " of " + std::to_string(one["logits"][0].size()) +
                               " columns, " +
                               (row.contains("class_weights") || row.contains("pos_weights") ? "" : "un") +
                               "weighted, label smoothing " + std::to_string(row.value("label_smoothing", 0.0));
      const Variable logits(matrix_of(one["logits"], GetParam().dtype), true);
      expect_near(loss_with_gradients(logits, row), row["loss"], what);
      const Tensor gradient = logits.grad().tensor().to(Device::kCpu).cast(DType::kFloat64);
      std::size_t at = 0;
      for (const Json& expected : row["dlogits"])
        for (const Json& value : expected) expect_near(gradient.values<double>()[at++], value, what);
      EXPECT_EQ(at, static_cast<std::size_t>(gradient.numel()));
    }
}

// A batch of classes that do not count adds nothing, and does not end the run. PyTorch's loss is NaN.
TEST_P(Losses, AreZeroWithoutWeight) {
  for (const double smoothing : {0.0, 0.1}) {
    const Json row = {
        {"kind", "cross_entropy"}, {"labels", {0, 0}}, {"class_weights", {0, 1, 2}}, {"label_smoothing", smoothing}};
    const Variable logits(tensor_of({1, 2, -3, 4, 0, 1}, {2, 3}, GetParam().dtype), true);
    EXPECT_EQ(loss_with_gradients(logits, row), 0);
    for (const double gradient : logits.grad().tensor().to(Device::kCpu).cast(DType::kFloat64).values<double>())
      EXPECT_EQ(gradient, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Places, Losses,
                         ::testing::Values(Place{"cpu_float64", Device::kCpu, DType::kFloat64, 1e-12},
                                           Place{"cpu_float32", Device::kCpu, DType::kFloat32, 1e-6},
                                           Place{"cuda_float32", Device::kCuda, DType::kFloat32, 1e-6}),
                         [](const auto& place) { return place.param.name; });

}  // namespace
}  // namespace attune::testing
