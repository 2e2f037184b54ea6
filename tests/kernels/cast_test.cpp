// Casts round to the nearest even value and keep what is not a number: every bfloat16, and every neighbourhood of a tie.
#include "kernels/cast.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/bfloat16.h"

namespace attune {
namespace {

using namespace kernels;

template <class To, class From>
std::vector<To> cast_all(const std::vector<From>& x) {
  std::vector<To> y(x.size());
  cast(CpuContext{}, {.y = y.data(),
                      .x = x.data(),
                      .n = static_cast<std::int64_t>(x.size()),
                      .to = dtype_of<To>::value,
                      .from = dtype_of<From>::value});
  return y;
}

std::vector<BFloat16> every_bfloat16() {
  std::vector<BFloat16> out;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) out.push_back({static_cast<std::uint16_t>(bits)});
  return out;
}

TEST(Cast, EveryBFloat16ThereAndBack) {
  const std::vector<BFloat16> all = every_bfloat16();
  const auto floats = cast_all<float>(all);
  const auto doubles = cast_all<double>(all);
  const auto from_floats = cast_all<BFloat16>(floats), from_doubles = cast_all<BFloat16>(doubles);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::isnan(floats[i]), std::isnan(doubles[i]));
    if (std::isnan(floats[i])) {
      EXPECT_TRUE(std::isnan(to_float(from_floats[i])) && std::isnan(to_float(from_doubles[i])));
      continue;
    }
    EXPECT_EQ(static_cast<double>(floats[i]), doubles[i]);
    EXPECT_EQ(from_floats[i].bits, all[i].bits);
    EXPECT_EQ(from_doubles[i].bits, all[i].bits);
  }
}

// Between two neighbours a and b: the midpoint goes to the even one, what is next to it (far closer than float32 can tell, in
// double) to the nearer one.
TEST(Cast, TiesGoToEvenAndWhatIsNextToATieDoesNot) {
  std::vector<double> x;
  std::vector<std::uint16_t> expected;
  for (std::uint32_t sign : {0u, 0x8000u})
    for (std::uint32_t low = 0; low < 0x7F80; ++low) {
      const double a = static_cast<double>(to_float(BFloat16{static_cast<std::uint16_t>(low)}));
      // Beyond the largest lies infinity, to be rounded to as if it were the next number.
      const double b = low == 0x7F7F ? std::ldexp(1.0, 128)
                                     : static_cast<double>(to_float(BFloat16{static_cast<std::uint16_t>(low + 1)}));
      const double middle = a + (b - a) / 2, direction = sign == 0 ? 1 : -1;
      const std::uint32_t even = low % 2 == 0 ? low : low + 1;
      for (auto [value, bits] :
           {std::pair{middle, even}, {std::nextafter(middle, a), low}, {std::nextafter(middle, b), low + 1}}) {
        x.push_back(direction * value);
        expected.push_back(static_cast<std::uint16_t>(sign | bits));
      }
    }
  const auto y = cast_all<BFloat16>(x);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i].bits, expected[i]) << x[i];
  // From float32 where it holds the value.
  const auto narrowed = cast_all<float>(x);
  const auto from_floats = cast_all<BFloat16>(narrowed);
  for (std::size_t i = 0; i < x.size(); i += 3) {
    if (static_cast<double>(narrowed[i]) != x[i]) continue;
    ASSERT_EQ(from_floats[i].bits, expected[i]) << x[i];
  }
}

TEST(Cast, FloatsAndDoubles) {
  const double inf = std::numeric_limits<double>::infinity(), half_ulp = std::ldexp(1.0, -24);
  const std::vector<double> x = {
      0.0, -0.0, 1.5, -2.25, inf, -inf, 1e300, -1e300, 1e-300, 1 + half_ulp, 1 + 3 * half_ulp, 0.1};
  const auto y = cast_all<float>(x);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(y[i]), std::bit_cast<std::uint32_t>(static_cast<float>(x[i])));
  EXPECT_EQ(y[9], 1.0f);
  const auto back = cast_all<double>(y);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(back[i], static_cast<double>(y[i]));
  EXPECT_EQ(cast_all<float>(y), y);
  EXPECT_TRUE(std::isnan(cast_all<float>(std::vector<double>{std::numeric_limits<double>::quiet_NaN()})[0]));
  EXPECT_TRUE(
      std::isnan(to_float(cast_all<BFloat16>(std::vector<double>{std::numeric_limits<double>::quiet_NaN()})[0])));
}

TEST(Cast, IntegersAreNotCast) {
  std::int32_t x = 0;
  float y = 0;
  EXPECT_THROW(cast(CpuContext{}, {.y = &y, .x = &x, .n = 1, .to = DType::kFloat32, .from = DType::kInt32}), Error);
}

}  // namespace
}  // namespace attune
