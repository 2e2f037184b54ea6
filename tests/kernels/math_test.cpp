// Our exp, tanh and erf of float against libm in double: every float would take minutes, so a dense sweep of bit patterns, of
// all exponents and both signs. And the activations at published points.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/activation.h"
#include "kernels/cpu/math.h"
#include "tests/kernels/tolerances.h"

namespace attune {
namespace {

using namespace kernels;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Largest error in units in the last place of the exact result, over a sweep of all finite floats.
template <class Function, class Reference>
double worst_ulps(Function function, Reference reference) {
  double worst = 0;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 2053) {  // a prime: all low bits come up
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!std::isfinite(x)) continue;
    const double exact = reference(static_cast<double>(x));
    const float rounded = static_cast<float>(exact), y = function(x);
    if (y == rounded) continue;
    if (!std::isfinite(rounded) || !std::isfinite(y)) return std::numeric_limits<double>::infinity();
    const float size = std::max(std::fabs(rounded), std::numeric_limits<float>::min());
    const double ulp = static_cast<double>(std::nextafter(size, kInfinity)) - static_cast<double>(size);
    worst = std::max(worst, std::fabs(static_cast<double>(y) - exact) / ulp);
  }
  return worst;
}

TEST(Math, ExpWithinUlps) {
  EXPECT_LE(worst_ulps([](float x) { return math::exp(x); }, [](double x) { return std::exp(x); }), testing::kMathUlps);
}
TEST(Math, TanhWithinUlps) {
  EXPECT_LE(worst_ulps([](float x) { return math::tanh(x); }, [](double x) { return std::tanh(x); }),
            testing::kMathUlps);
}
TEST(Math, ErfWithinUlps) {
  EXPECT_LE(worst_ulps([](float x) { return math::erf(x); }, [](double x) { return std::erf(x); }), testing::kMathUlps);
}

TEST(Math, EndsOfTheRange) {
  EXPECT_EQ(math::exp(kInfinity), kInfinity);
  EXPECT_EQ(math::exp(-kInfinity), 0.0f);
  EXPECT_EQ(math::exp(0.0f), 1.0f);
  EXPECT_EQ(math::exp(89.0f), kInfinity);
  EXPECT_EQ(math::tanh(kInfinity), 1.0f);
  EXPECT_EQ(math::tanh(-kInfinity), -1.0f);
  EXPECT_EQ(math::erf(kInfinity), 1.0f);
  EXPECT_EQ(math::erf(-kInfinity), -1.0f);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(math::exp(nan)));
  EXPECT_TRUE(std::isnan(math::tanh(nan)));
  EXPECT_TRUE(std::isnan(math::erf(nan)));
}

template <class T>
T activate(T x, Activation kind) {
  T y;
  activation_forward(CpuContext{}, {.y = &y, .x = &x, .n = 1, .kind = kind, .dtype = dtype_of<T>::value});
  return y;
}

TEST(Activations, GeluAtPublishedPoints) {
  const struct {
    double x, erf, tanh;
  } points[] = {{-3, -0.00404969409489031, -0.0036373920817729943}, {-1, -0.15865525393145707, -0.15880800939172324},
                {-0.5, -0.15426876936299344, -0.15428599017485606}, {0.5, 0.34573123063700656, 0.34571400982514394},
                {1, 0.8413447460685429, 0.8411919906082768},        {3, 2.99595030590511, 2.996362607918227}};
  for (const auto& p : points) {
    EXPECT_NEAR(activate(p.x, Activation::kGeluErf), p.erf, 1e-15 * std::fabs(p.x));
    EXPECT_NEAR(activate(p.x, Activation::kGeluTanh), p.tanh, 1e-15 * std::fabs(p.x));
    EXPECT_NEAR(activate(static_cast<float>(p.x), Activation::kGeluErf), p.erf, 1e-7 * std::fabs(p.x));
    EXPECT_NEAR(activate(static_cast<float>(p.x), Activation::kGeluTanh), p.tanh, 1e-7 * std::fabs(p.x));
  }
}

TEST(Activations, LargeArgumentsSaturateAndNaNStays) {
  for (Activation kind : {Activation::kGeluErf, Activation::kGeluTanh}) {
    EXPECT_EQ(activate(1e4f, kind), 1e4f);
    EXPECT_EQ(activate(-1e4f, kind), 0.0f);
    EXPECT_EQ(activate(-1e30f, kind), 0.0f);
  }
  for (Activation kind : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu, Activation::kTanh})
    EXPECT_TRUE(std::isnan(activate(std::numeric_limits<float>::quiet_NaN(), kind))) << static_cast<int>(kind);
  for (Activation kind : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu, Activation::kTanh})
    for (float x : {-1e4f, -100.0f, 100.0f, 1e4f, 1e15f, -1e15f}) {
      const float dy = 1;
      float dx;
      activation_backward(CpuContext{},
                          {.dx = {&dx}, .dy = &dy, .x = &x, .n = 1, .kind = kind, .dtype = DType::kFloat32});
      EXPECT_EQ(dx, kind != Activation::kTanh && x > 0 ? 1.0f : 0.0f) << x;
    }
}

}  // namespace
}  // namespace attune
