#include <gtest/gtest.h>

#include "base/dtype.h"
#include "base/math.h"
#include "base/shape.h"

namespace attune {
namespace {

TEST(Math, CeilDiv) {
  EXPECT_EQ(ceil_div(0, 4), 0);
  EXPECT_EQ(ceil_div(8, 4), 2);
  EXPECT_EQ(ceil_div(9, 4), 3);
}

TEST(Math, NarrowRefusesWhatDoesNotFit) {
  EXPECT_EQ(narrow<std::int32_t>(std::int64_t{-5}), -5);
  EXPECT_THROW(narrow<std::int32_t>(std::int64_t{1} << 31), Error);
  EXPECT_THROW(narrow<std::uint32_t>(-1), Error);
  EXPECT_THROW(narrow<std::int8_t>(200u), Error);
}

TEST(ShapeTest, ExtentsAndText) {
  const Shape shape{2, 3, 5};
  EXPECT_EQ(shape.numel(), 30);
  EXPECT_EQ(shape[-1], 5);
  EXPECT_EQ(shape.str(), "[2, 3, 5]");
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{0, 7}).numel(), 0);
  EXPECT_NE(shape, (Shape{2, 3}));
  EXPECT_EQ(shape.with_rows(7), (Shape{7, 3, 5}));
  EXPECT_EQ(Shape{2}.with_rows(0), Shape{0});
  EXPECT_THROW(shape[3], Error);
  EXPECT_THROW((Shape{1, 2, 3, 4, 5}), Error);
  EXPECT_THROW((Shape{-1}), Error);
}

TEST(DTypeTest, DispatchRefusesByName) {
  EXPECT_EQ(dispatch_float(DType::kFloat64, "op", []<class T>() { return sizeof(T); }), 8u);
  try {
    dispatch_float(DType::kInt32, "softmax", []<class T>() {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "softmax: no implementation for dtype int32");
  }
}

}  // namespace
}  // namespace attune
