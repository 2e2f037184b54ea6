// Tensors on the host: what shares bytes and what copies them, and what is refused.
#include "engine/tensor/tensor.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/tensor/values_of.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

TEST(Tensor, UndefinedHasNoBytes) {
  const Tensor none;
  EXPECT_FALSE(none.defined());
  EXPECT_EQ(none.raw(), nullptr);
}

TEST(Tensor, CopiesOfAHandleShareBytes) {
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): the copy is what is tested
  const Tensor x = Tensor::from(Floats{1, 2, 3}, {3}), y = x;
  EXPECT_FALSE(x.unique());
  y.values<float>()[1] = 7;
  EXPECT_EQ(values_of(x), (Floats{1, 7, 3}));
}

TEST(Tensor, ViewsAndRowsShareBytes) {
  const Tensor x = Tensor::from(Floats{1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor flat = x.view({6}), middle = x.rows(1, 2);
  EXPECT_EQ(middle.shape(), (Shape{1, 2}));
  EXPECT_EQ(values_of(middle), (Floats{3, 4}));
  EXPECT_EQ(values_of(middle.rows(0, 1).view({2})), (Floats{3, 4}));
  EXPECT_EQ(x.rows(3, 3).numel(), 0);
  middle.values<float>()[0] = 9;
  EXPECT_EQ(values_of(flat), (Floats{1, 2, 9, 4, 5, 6}));
}

TEST(Tensor, ClonesAndCastsHaveTheirOwnBytes) {
  const Tensor x = Tensor::from(Floats{1, 2.5F}, {2});
  const Tensor y = x.clone(), wide = x.cast(DType::kFloat64);
  x.values<float>()[0] = 9;
  EXPECT_EQ(values_of(y), (Floats{1, 2.5F}));
  EXPECT_EQ(wide.values<double>()[1], 2.5);
  EXPECT_EQ(x.cast(DType::kFloat32).raw(), x.raw());
  EXPECT_EQ(x.to(Device::kCpu).raw(), x.raw());
}

TEST(Tensor, ZerosAndCopies) {
  const Tensor x = Tensor::zeros({2, 2}, DType::kFloat32);
  EXPECT_EQ(values_of(x), (Floats{0, 0, 0, 0}));
  x.copy_from(Tensor::from(Floats{1, 2, 3, 4}, {2, 2}));
  EXPECT_EQ(values_of(x), (Floats{1, 2, 3, 4}));
}

TEST(Tensor, ItemIsTheOneElementOfAnyFloatType) {
  EXPECT_EQ(Tensor::from(Floats{2.5F}, {}).item(), 2.5);
  EXPECT_EQ(Tensor::from(Floats{2.5F}, {1, 1}).cast(DType::kBFloat16).item(), 2.5);
}

TEST(Tensor, ErrorsNameBothSides) {
  const Tensor x = Tensor::from(Floats{1, 2, 3, 4}, {2, 2});
  const auto expect_error = [](const std::string& message, const char* first, const char* second) {
    EXPECT_NE(message.find(first), std::string::npos) << message;
    EXPECT_NE(message.find(second), std::string::npos) << message;
  };
  expect_error(message_of([&] { (void)Tensor::from(Floats{1, 2}, {3}); }), "2 values", "[3]");
  expect_error(message_of([&] { (void)x.view({5}); }), "[2, 2]", "[5]");
  expect_error(message_of([&] { (void)x.rows(1, 3); }), "rows 1..3", "[2, 2]");
  expect_error(message_of([&] { (void)x.rows(1, 0); }), "rows 1..0", "[2, 2]");
  expect_error(message_of([&] { (void)x.item(); }), "item()", "[2, 2]");
  expect_error(message_of([&] { (void)x.values<double>(); }), "float32", "float64");
  expect_error(message_of([&] { x.copy_from(Tensor::zeros({4}, DType::kFloat32)); }), "[4]", "[2, 2]");
  expect_error(message_of([&] { x.copy_from(Tensor::zeros({2, 2}, DType::kFloat64)); }), "float64", "float32");
}

}  // namespace
}  // namespace attune::testing
