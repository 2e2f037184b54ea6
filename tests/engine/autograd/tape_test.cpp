// The tape: what is recorded, and how gradients meet. Expected gradients are sums of paths, worked out by hand.
#include "engine/autograd/tape.h"

#include <gtest/gtest.h>

#include <utility>

#include "engine/autograd/functions.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Values = std::vector<double>;

Variable variable(const Values& values, const Shape& shape, bool requires_grad = true) {
  return Variable(Tensor::from(values, shape), requires_grad);
}
Values gradient(const Variable& x) {
  const Tensor& grad = x.grad().tensor();
  return grad.defined() ? Values(grad.values<double>().begin(), grad.values<double>().end()) : Values{};
}
Variable sum_of(const Variable& a, const Variable& b) {
  return residual(a, b, {});
}
/// 3 x0 + 5 x1 of a row [1, 2].
Variable loss_of(const Variable& x) {
  return linear(x, variable({3, 5}, {1, 2}, false), {});
}

TEST(Tape, AVariableUsedTwiceGathersBothGradients) {
  const Variable x = variable({1, 2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  tape.backward(loss_of(sum_of(x, x)));
  EXPECT_EQ(gradient(x), (Values{6, 10}));
}

TEST(Tape, AWeightUsedTwiceGathersBothGradients) {
  const Variable x = variable({1, 2}, {1, 2}), w = variable({1, 2, 3, 4}, {2, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable hidden = linear(x, w, {});  // 5, 11
  tape.backward(loss_of(linear(hidden, w, {})));
  // W' (W' g) for x; for w the two products g h' and (W' g) x', with g = (3, 5), W' g = (18, 26).
  EXPECT_EQ(gradient(x), (Values{1 * 18 + 3 * 26, 2 * 18 + 4 * 26}));
  EXPECT_EQ(gradient(w), (Values{3 * 5 + 18 * 1, 3 * 11 + 18 * 2, 5 * 5 + 26 * 1, 5 * 11 + 26 * 2}));
}

TEST(Tape, GradientsSharedThroughAResidualStayApart) {
  // Both sides of a sum take the same gradient; what one of them gathers later must not reach the other.
  const Variable a = variable({1, 2}, {1, 2}), b = variable({3, 4}, {1, 2}), w = variable({1, 2, 3, 4}, {2, 2});
  {
    Tape tape;
    const Tape::Recording recording(tape);
    const Variable turned =
        linear(a, w, {});  // its backward runs last and adds to a's gradient, shared with b's by then
    tape.backward(loss_of(sum_of(turned, sum_of(a, b))));
    EXPECT_EQ(gradient(b), (Values{3, 5}));
    EXPECT_EQ(gradient(a), (Values{3 + 18, 5 + 26}));
  }
  for (const Variable* x : {&a, &b, &w}) x->grad().clear();
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable inner = sum_of(a, b);
  tape.backward(loss_of(sum_of(inner, a)));
  EXPECT_EQ(gradient(a), (Values{6, 10}));
  EXPECT_EQ(gradient(b), (Values{3, 5}));
}

TEST(Tape, GradientsGatherOverSeveralPasses) {
  const Variable x = variable({1, 2}, {1, 2});
  for (const double seed : {1.0, 0.5}) {
    Tape tape;
    const Tape::Recording recording(tape);
    tape.backward(loss_of(x), seed);
  }
  EXPECT_EQ(gradient(x), (Values{4.5, 7.5}));
}

TEST(Tape, BackwardFromGivenGradients) {
  const Variable x = variable({1, 2}, {1, 2}), w = variable({1, 2, 3, 4}, {2, 2}),
                 frozen = variable({7}, {1, 1}, false);
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable hidden = linear(x, w, {}), sum = sum_of(x, x), unused = sum_of(hidden, hidden);
  tape.backward({hidden, sum, unused, frozen, x},
                {Tensor::from(Values{3, 5}, {1, 2}), Tensor::from(Values{10, 20}, {1, 2}), Tensor(),
                 Tensor::from(Values{1}, {1, 1}), Tensor::from(Values{100, 200}, {1, 2})});
  EXPECT_EQ(gradient(x), (Values{18 + 20 + 100, 26 + 40 + 200}));
  EXPECT_EQ(gradient(w), (Values{3, 6, 5, 10}));
  EXPECT_EQ(gradient(frozen), Values{});
  EXPECT_EQ(gradient(hidden), Values{});
  EXPECT_EQ(tape.size(), 0u);
  const std::string count = message_of([&] { tape.backward({x, w}, {Tensor()}); });
  EXPECT_NE(count.find("1 gradients of 2 outputs"), std::string::npos) << count;
  const std::string shape = message_of([&] { tape.backward({x}, {Tensor::from(Values{1, 2}, {2, 1})}); });
  EXPECT_NE(shape.find("[2, 1] where [1, 2]"), std::string::npos) << shape;
}

TEST(Tape, StepsThatAreDroppedStillSayWhatWantsAGradient) {
  const Variable x = variable({1, 2}, {1, 2}), frozen = variable({1, 2}, {1, 2}, false);
  Tape tape(Tape::Steps::kDropped);
  const Tape::Recording recording(tape);
  EXPECT_TRUE(sum_of(x, frozen).requires_grad());
  EXPECT_FALSE(sum_of(frozen, frozen).requires_grad());
  EXPECT_EQ(tape.size(), 0u);
}

TEST(Tape, OnlyLeavesKeepTheirGradient) {
  const Variable x = variable({1, 2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable hidden = activation(x, Activation::kTanh), loss = loss_of(hidden);
  EXPECT_EQ(tape.size(), 2u);
  tape.backward(loss);
  EXPECT_EQ(tape.size(), 0u);
  EXPECT_EQ(gradient(hidden), Values{});
  EXPECT_EQ(gradient(loss), Values{});
  EXPECT_EQ(gradient(x).size(), 2u);
}

TEST(Tape, WhatDoesNotLeadToTheLossGetsNoGradient) {
  const Variable x = variable({1, 2}, {1, 2}), w = variable({1, 2, 3, 4}, {2, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable loss = loss_of(x);
  (void)linear(x, w, {});
  tape.backward(loss);
  EXPECT_EQ(gradient(w), Values{});
  EXPECT_EQ(gradient(x), (Values{3, 5}));
}

TEST(Tape, FrozenInputsRecordNothing) {
  const Variable x = variable({1, 2}, {1, 2}, false), w = variable({1, 2, 3, 4}, {2, 2}, false),
                 b = variable({1, 1}, {2}, false);
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable h = linear(x, w, b);
  const Variable n = layernorm(h, b, b, 1e-5, h.value().dtype());
  const ResidualNorm r = residual_layernorm(h, n, b, {}, {.eps = 1e-5, .dropout = {}});
  const Variable g = glu(activation(sum_of(r.sum, r.normed), Activation::kGeluTanh), Activation::kGeluErf);
  const Tensor row = Tensor::from(std::vector<std::int32_t>{0}, {1}),
               end = Tensor::from(std::vector<std::int32_t>{1}, {1}),
               offsets = Tensor::from(std::vector<std::int32_t>{0, 1}, {2});
  const Variable e = embedding({w, row}, {w, end}, {});
  const Variable loss = cross_entropy(pool(e, {offsets, end, PooledRows::kAll}), row);
  EXPECT_EQ(tape.size(), 0u);
  for (const Variable* y : {&h, &n, &r.sum, &r.normed, &g, &e, &loss}) EXPECT_FALSE(y->requires_grad());
}

TEST(Tape, OneTrainableInputIsEnough) {
  const Variable x = variable({1, 2}, {1, 2}), w = variable({1, 2, 3, 4}, {2, 2}, false);
  Tape tape;
  const Tape::Recording recording(tape);
  tape.backward(loss_of(linear(x, w, {})));
  EXPECT_EQ(gradient(x), (Values{18, 26}));
  EXPECT_EQ(gradient(w), Values{});
}

TEST(Tape, RecordingsNestAndNoGradInterruptsThem) {
  const Variable x = variable({1, 2}, {1, 2});
  EXPECT_EQ(Tape::current(), nullptr);
  EXPECT_FALSE(sum_of(x, x).requires_grad());
  Tape outer, inner;
  const Tape::Recording recording(outer);
  {
    const Tape::Recording nested(inner);
    (void)sum_of(x, x);
    const NoGrad no_grad;
    EXPECT_EQ(Tape::current(), nullptr);
    EXPECT_FALSE(sum_of(x, x).requires_grad());
  }
  EXPECT_EQ(inner.size(), 1u);
  EXPECT_EQ(outer.size(), 0u);
  EXPECT_EQ(Tape::current(), &outer);
  EXPECT_TRUE(sum_of(x, x).requires_grad());
  EXPECT_EQ(outer.size(), 1u);
}

TEST(Tape, BackwardNeedsOneTrainableNumber) {
  const Variable frozen = variable({1, 2}, {1, 2}, false), x = variable({1, 2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const std::string nothing = message_of([&] { tape.backward(loss_of(frozen)); });
  EXPECT_NE(nothing.find("trainable"), std::string::npos) << nothing;
  const std::string many = message_of([&] { tape.backward(sum_of(x, x)); });
  EXPECT_NE(many.find("[1, 2]"), std::string::npos) << many;
}

TEST(Variable, OnlyItsOneHandleGivesAValueUp) {
  Variable x = variable({1, 2}, {2});
  const void* const bytes = x.value().raw();
  {
    Variable other = x;
    EXPECT_NE(message_of([&] { (void)std::move(other).release(); }).find("others hold"), std::string::npos);
  }
  const Tensor value = std::move(x).release();
  EXPECT_EQ(value.raw(), bytes);
  EXPECT_TRUE(value.unique());
  EXPECT_NE(message_of([] { (void)Variable().release(); }).find("missing"), std::string::npos);
}

TEST(Grad, WhatIsTakenIsNobodyElses) {
  const Variable a = variable({1, 2}, {1, 2}), b = variable({3, 4}, {1, 2});
  const Tensor shared = Tensor::from(Values{5, 6}, {1, 2});
  a.grad().add(shared);
  b.grad().add(Tensor::from(Values{7, 8}, {1, 2}));
  const Tensor copied = a.grad().take(), moved = b.grad().take();
  EXPECT_NE(copied.raw(), shared.raw());
  EXPECT_TRUE(copied.unique());
  EXPECT_TRUE(moved.unique());
  EXPECT_EQ(copied.values<double>()[1], 6);
  EXPECT_FALSE(a.grad().tensor().defined());
}

}  // namespace
}  // namespace attune::testing
