// Initial values against golden/streams.json: heads and layers as PyTorch draws them.
#include "engine/nn/init.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "engine/io/sha256.h"
#include "json/value.h"
#include "tests/support/data.h"

namespace attune::testing {
namespace {

constexpr std::uint64_t kSeed = 123;  // of every golden stream
constexpr double kNormalError =
    6e-7;  // of a normal draw, in units of its deviation: log, sin and cos differ in their last bits

std::string digest(const Tensor& x) {
  return sha256_hex({static_cast<const std::byte*>(x.raw()), x.bytes()});
}

void expect_start(const Tensor& x, const json::Value& golden, double tolerance = 0) {
  const auto values = x.values<float>();
  const auto expected = golden.items();
  ASSERT_GE(values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(values[i], static_cast<float>(expected[i].number()), tolerance) << "element " << i;
}

struct LinearValues {
  Tensor weight, bias;
};
LinearValues draw_linear(TorchGenerator& generator, std::int64_t inputs, std::int64_t outputs, DType dtype) {
  const LinearValues out{Tensor::empty({outputs, inputs}, dtype), Tensor::empty({outputs}, dtype)};
  init::torch_linear(generator, out.weight, out.bias);
  return out;
}

class Init : public ::testing::Test {
 protected:
  void SetUp() override {
    ATTUNE_DATA_OR_SKIP(data);
    golden_ = json::read((data / "golden" / "streams.json").string());
  }
  json::Value golden_;
};

TEST_F(Init, LinearLayersAreExact) {
  ASSERT_GT(golden_["linear"].size(), 0u);
  golden_["linear"].for_each([](const std::string& name, const json::Value& golden) {
    int inputs = 0, outputs = 0;
    ASSERT_EQ(std::sscanf(name.c_str(), "Linear(%d,%d)", &inputs, &outputs), 2) << name;
    TorchGenerator generator(kSeed);
    const LinearValues layer = draw_linear(generator, inputs, outputs, DType::kFloat32);
    expect_start(layer.weight, golden["weight"]);
    expect_start(layer.bias, golden["bias"]);
    EXPECT_EQ(digest(layer.weight), golden["sha256_weight"].string()) << name;
    EXPECT_EQ(digest(layer.bias), golden["sha256_bias"].string()) << name;
  });
}

TEST_F(Init, AnEmbeddingThenALinearLayer) {
  const json::Value golden = golden_["embedding_then_linear"];
  int rows = 0, channels = 0, inputs = 0, outputs = 0;
  ASSERT_EQ(std::sscanf(golden["note"].string().c_str(), "Embedding(%d,%d) then Linear(%d,%d)", &rows, &channels,
                        &inputs, &outputs),
            4);
  TorchGenerator generator(kSeed);
  const Tensor table = Tensor::empty({rows, channels}, DType::kFloat32);
  init::normal(generator, table, 1);
  const LinearValues layer = draw_linear(generator, inputs, outputs, DType::kFloat32);
  expect_start(table, golden["embedding"], kNormalError);
  expect_start(layer.weight, golden["linear_weight"]);
  expect_start(layer.bias, golden["linear_bias"]);
  EXPECT_EQ(digest(layer.weight), golden["sha256_linear_weight"].string());
}

TEST_F(Init, NormalsAndTruncatedNormals) {
  constexpr float kDeviation = 0.02f;  // of the golden draws
  int compared = 0;
  golden_.for_each([&](const std::string& name, const json::Value& golden) {
    const bool truncated = name.starts_with("trunc_normal_");
    if (!truncated && !name.starts_with("normal_")) return;
    const Tensor x = Tensor::empty({static_cast<std::int64_t>(golden.size())}, DType::kFloat32);
    TorchGenerator generator(kSeed);
    (truncated ? init::trunc_normal : init::normal)(generator, x, kDeviation);
    expect_start(x, golden, kNormalError * kDeviation);
    ++compared;
  });
  EXPECT_GE(compared, 2);
}

TEST(InitValues, DoublesHoldTheSameFloat32Draws) {
  using Draw = void (*)(TorchGenerator&, const Tensor&);
  const Draw draws[] = {[](TorchGenerator& g, const Tensor& x) { init::uniform(g, x, -0.5f, 0.25f); },
                        [](TorchGenerator& g, const Tensor& x) { init::normal(g, x, 0.02f); },
                        [](TorchGenerator& g, const Tensor& x) { init::trunc_normal(g, x, 0.02f); }};
  for (const Draw draw : draws) {
    TorchGenerator generator(7), same(7);
    const Tensor single = Tensor::empty({3, 50}, DType::kFloat32), wide = Tensor::empty({3, 50}, DType::kFloat64);
    draw(generator, single);
    draw(same, wide);
    EXPECT_EQ(generator.random32(), same.random32());
    for (std::size_t i = 0; i < 150; ++i)
      EXPECT_EQ(static_cast<double>(single.values<float>()[i]), wide.values<double>()[i]);
  }
}

TEST(InitValues, ALinearLayerWithoutBiasDrawsItsWeightOnly) {
  TorchGenerator generator(7), same(7);
  const Tensor weight = Tensor::empty({3, 5}, DType::kFloat32), again = Tensor::empty({3, 5}, DType::kFloat32);
  init::torch_linear(generator, weight, Tensor());
  draw_linear(same, 5, 3, DType::kFloat32);
  for (int i = 0; i < 3; ++i) generator.random32();  // the other's bias
  EXPECT_EQ(generator.random32(), same.random32());
}

}  // namespace
}  // namespace attune::testing
