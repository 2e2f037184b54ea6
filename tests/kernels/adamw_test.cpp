#include "kernels/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/oracles/adamw.h"

namespace attune {
namespace {

using namespace kernels;

// theta = 1 under a constant gradient of 0.5, worked out by hand from the formula.
TEST(AdamWTest, FirstTwoSteps) {
  double p = 1, g = 0.5, m = 0, v = 0;
  const AdamWTensor tensor{&p, &g, &m, &v, 1, DType::kFloat64};
  AdamWScalars scalars = adamw_scalars(5e-5, 0.1, 0.9, 0.999, 1);
  const AdamW args{.tensors = {&tensor, 1}, .scalars = &scalars, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
  adamw(CpuContext{}, args);
  EXPECT_NEAR(p, 0.999945000001, 1e-15);
  scalars = adamw_scalars(5e-5, 0.1, 0.9, 0.999, 2);
  adamw(CpuContext{}, args);
  EXPECT_NEAR(p, 0.9998900002769999, 1e-15);
}

TEST(AdamWTest, FollowsTheDefinition) {
  const testing::oracle::AdamWOptions options{
      .learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1};
  testing::oracle::AdamWElement exact{.p = 1.5};
  double p = exact.p, g = 0, m = 0, v = 0;
  const AdamWTensor tensor{&p, &g, &m, &v, 1, DType::kFloat64};
  for (int t = 1; t <= 20; ++t) {
    g = std::sin(0.7 * t);
    exact = testing::oracle::adamw(exact, g, t, options);
    const AdamWScalars scalars =
        adamw_scalars(options.learning_rate, options.weight_decay, options.beta1, options.beta2, t);
    adamw(CpuContext{}, {.tensors = {&tensor, 1},
                         .scalars = &scalars,
                         .beta1 = options.beta1,
                         .beta2 = options.beta2,
                         .eps = options.eps});
    EXPECT_NEAR(p, exact.p, 1e-14) << "step " << t;
    EXPECT_NEAR(m, exact.m, 1e-15) << "step " << t;
    EXPECT_NEAR(v, exact.v, 1e-15) << "step " << t;
  }
}

TEST(AdamWTest, WithoutGradientOnlyDecays) {
  std::vector<float> p(100, 2.0f), g(100, 0.0f), m(100, 0.0f), v(100, 0.0f);
  const AdamWTensor tensor{p.data(), g.data(), m.data(), v.data(), 100, DType::kFloat32};
  const AdamWScalars scalars = adamw_scalars(0.01, 0.1, 0.9, 0.999, 1);
  adamw(CpuContext{}, {.tensors = {&tensor, 1}, .scalars = &scalars, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8});
  for (float x : p) EXPECT_FLOAT_EQ(x, 2.0f * 0.999f);
}

TEST(AdamWTest, GradScaleIsAScaledGradient) {
  std::vector<double> p(37, 1.0), q = p, g, half, m(37, 0.0), v(37, 0.0), m2 = m, v2 = v;
  for (int i = 0; i < 37; ++i) g.push_back(0.1 * i - 1), half.push_back(0.5 * g.back());
  const AdamWTensor scaled{p.data(), g.data(), m.data(), v.data(), 37, DType::kFloat64},
      plain{q.data(), half.data(), m2.data(), v2.data(), 37, DType::kFloat64};
  const AdamWScalars scalars = adamw_scalars(0.01, 0.1, 0.9, 0.999, 1);
  const double scale = 0.5;
  AdamW args{
      .tensors = {&scaled, 1}, .scalars = &scalars, .grad_scale = &scale, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
  adamw(CpuContext{}, args);
  args.tensors = {&plain, 1};
  args.grad_scale = nullptr;
  adamw(CpuContext{}, args);
  EXPECT_EQ(p, q);
  EXPECT_EQ(m, m2);
  EXPECT_EQ(v, v2);
}

TEST(GradNormTest, SumsAllTensors) {
  const std::vector<float> a(3, 2.0f), b(100000, 0.5f);
  const GradNormTensor tensors[] = {{a.data(), 3, DType::kFloat32}, {b.data(), 100000, DType::kFloat32}};
  double norm = -1, scale = -1, stop = 0;
  grad_norm(CpuContext{}, {.norm = &norm, .tensors = tensors});
  EXPECT_DOUBLE_EQ(norm, std::sqrt(12.0 + 25000.0));
  clip_scale(CpuContext{}, {.scale = &scale, .stop = &stop, .norm = &norm, .max_norm = 2});
  EXPECT_DOUBLE_EQ(scale, 2 / (norm + 1e-6));
  grad_norm(CpuContext{}, {.norm = &norm, .tensors = {}});
  EXPECT_EQ(norm, 0);
}

// As processes add it that each have some pieces of some tensors.
TEST(GradNormTest, HasItsBitsFromPieces) {
  std::vector<float> a(5 * kNormPiece + 77), b(300);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(i)) * (i % 5 == 0 ? 1e-3f : 7.0f);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = std::cos(static_cast<float>(i));
  const GradNormTensor whole[] = {{a.data(), std::ssize(a), DType::kFloat32},
                                  {b.data(), std::ssize(b), DType::kFloat32}};
  double expected = -1, norm = -1;
  grad_norm(CpuContext{}, {.norm = &expected, .tensors = whole});
  const std::int64_t cut = 2 * kNormPiece;
  const GradNormTensor begin[] = {{a.data(), cut, DType::kFloat32}},
                       end[] = {{a.data() + cut, std::ssize(a) - cut, DType::kFloat32}, whole[1]};
  std::vector<double> sums(7);
  grad_squares(CpuContext{}, {.sums = sums.data(), .tensors = begin});
  grad_squares(CpuContext{}, {.sums = sums.data() + 2, .tensors = end});
  norm_of_squares(CpuContext{}, {.norm = &norm, .sums = sums.data(), .pieces = std::ssize(sums)});
  EXPECT_EQ(norm, expected);
}

TEST(ClipScaleTest, StaysNotANumberAfterTheFirstStepThatIsNotFinite) {
  const float good_loss = 3e38f, bad_loss = std::numeric_limits<float>::infinity();
  const double norm = 4, bad_norm = std::numeric_limits<double>::infinity();
  for (const bool by_loss : {false, true}) {
    double stop = 0, scale = -1;
    const auto step = [&](const float& loss, const double& of) {
      stop_at_loss(CpuContext{}, {.stop = &stop, .loss = &loss, .dtype = DType::kFloat32});
      clip_scale(CpuContext{}, {.scale = &scale, .stop = &stop, .norm = &of, .max_norm = 0});
    };
    step(good_loss, norm);
    EXPECT_EQ(scale, 1);
    EXPECT_EQ(stop, 0);
    step(by_loss ? bad_loss : good_loss, by_loss ? norm : bad_norm);
    EXPECT_TRUE(std::isnan(scale));
    step(good_loss, norm);
    EXPECT_TRUE(std::isnan(scale));
  }
}

}  // namespace
}  // namespace attune
