// Every op refuses every argument of a wrong shape or type, on another device, or missing, and its error names op, argument,
// what it is and what it should be. Each op is called once with arguments that fit, then with one of them spoiled at a time.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "engine/ops/binary_cross_entropy.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/dropout.h"
#include "engine/ops/embedding.h"
#include "engine/ops/grad_norm.h"
#include "engine/ops/rope.h"
#include "kernels/cuda/device_info.h"
#include "tests/engine/ops/op_calls.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

class Boundary : public ::testing::TestWithParam<OpCall> {
 protected:
  // The error of the call with the argument `name` replaced; empty where there is none.
  std::string message_with(const std::string& name, const Tensor& other) const {
    return message_of([&] {
      GetParam().call([&](const std::string& wanted) {
        if (wanted == name) return other;
        const auto found = GetParam().arguments.find(wanted);
        if (found == GetParam().arguments.end()) return Tensor();
        return found->second.value.clone();  // ops may overwrite it
      });
    });
  }
  void expect_refusal(const std::string& name, const Tensor& other, const std::string& complaint) const {
    const std::string message = message_with(name, other), expected = GetParam().op + ": " + name + complaint;
    EXPECT_NE(message.find(expected), std::string::npos) << "'" << message << "' should say '" << expected << "'";
  }
};

TEST_P(Boundary, ArgumentsThatFitPass) {
  EXPECT_EQ(message_with("", {}), "");
}

TEST_P(Boundary, ShapesAreChecked) {
  for (const auto& [name, argument] : GetParam().arguments) {
    if (argument.kind == Kind::kDecidesDevice || argument.kind == Kind::kAnyShape) continue;
    const Shape& shape = argument.value.shape();
    Shape deeper = shape;
    deeper.append(1);
    expect_refusal(name, Tensor::zeros(deeper, argument.value.dtype()), " has shape " + deeper.str() + " where ");
    if (shape.rank() == 0 || argument.kind == Kind::kAnyWidth) continue;
    const Shape wider = with_width(shape, shape[-1] + 1);
    expect_refusal(name, Tensor::zeros(wider, argument.value.dtype()), " has shape " + wider.str() + " where ");
  }
}

TEST_P(Boundary, TypesAreChecked) {
  for (const auto& [name, argument] : GetParam().arguments) {
    if (argument.kind == Kind::kDecidesDevice || argument.kind == Kind::kAnyShape) continue;
    const DType dtype = argument.value.dtype(), other = dtype == DType::kInt32 ? DType::kFloat32 : DType::kInt32;
    expect_refusal(name, Tensor::zeros(argument.value.shape(), other),
                   str_cat(" has dtype ", other, " where ", dtype, " is needed"));
  }
}

TEST_P(Boundary, MissingArgumentsAreSeen) {
  for (const auto& [name, argument] : GetParam().arguments) {
    if (argument.kind == Kind::kOptional)
      EXPECT_EQ(message_with(name, {}), "") << GetParam().op << " without " << name;
    else
      expect_refusal(name, {}, " is missing");
  }
}

TEST_P(Boundary, DevicesAreChecked) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  for (const auto& [name, argument] : GetParam().arguments) {
    const Tensor elsewhere = argument.value.to(Device::kCuda);
    if (argument.kind != Kind::kDecidesDevice) {
      expect_refusal(name, elsewhere, " is on the cuda, but ");
    } else if (GetParam().arguments.size() > 1) {
      EXPECT_NE(message_with(name, elsewhere).find(" is on the cpu, but " + name + " is on the cuda"),
                std::string::npos);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Boundary, ::testing::ValuesIn(op_calls()), [](const auto& call) {
  std::string name = call.param.op + call.param.variant;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
});

// ---- values, where the host can see them ----

TEST(Labels, MustBeClasses) {
  for (const std::int32_t label : {-1, 3}) {
    const std::string message = message_of([&] { ops::cross_entropy_forward(floats({1, 3}), ints({label})); });
    EXPECT_NE(message.find(str_cat("cross entropy: label ", label, " with 3 classes")), std::string::npos) << message;
  }
}

TEST(Labels, OfYesAndNoMustBeInTheUnitInterval) {
  for (const float label : {-0.5F, 1.5F, std::nanf("")}) {
    const std::string message = message_of([&] {
      ops::binary_cross_entropy_forward(floats({1, 1}), Tensor::from(std::vector<float>{label}, {1, 1}), {});
    });
    EXPECT_NE(message.find("is not in [0, 1]"), std::string::npos) << message;
  }
}

TEST(LabelSmoothing, MustBeBelowOne) {
  for (const double smoothing : {-0.1, 1.0}) {
    const std::string message = message_of([&] {
      ops::cross_entropy_forward(floats({1, 3}), ints({0}), {.label_smoothing = smoothing});
    });
    EXPECT_NE(message.find("label smoothing"), std::string::npos) << message;
  }
}

TEST(Dropout, ProbabilitiesMustBeBelowOne) {
  for (const float p : {-0.1F, 1.0F}) {
    const std::string message = message_of([&] {
      ops::dropout_forward(floats({1, 3}), {.p = p, .row_keys = ints({0})});
    });
    EXPECT_NE(message.find("dropout: a dropout probability of"), std::string::npos) << message;
  }
}

TEST(Embedding, IdsMustBeRowsOfTheirTable) {
  const std::string message = message_of([] { ops::embedding_forward({floats({5, 3}), ints({0, 5})}, {}, {}); });
  EXPECT_NE(message.find("token ids has 5, but the table has 5 rows"), std::string::npos) << message;
}

TEST(Rope, UsesUpWhatNobodyElseHolds) {
  const auto table = ops::RopeTable::make(4, 2, 10000);
  const Sequences sequences{.offsets = ints({0, 2}),
                            .key_lengths = {},
                            .positions = ints({0, 1}),
                            .row_keys = {},
                            .count = 1,
                            .rows = 2,
                            .max_length = 2};
  Tensor shared = floats({2, 6});
  const Tensor other = shared;
  const std::string message = message_of([&] { ops::rope_forward(std::move(shared), sequences, 1, table); });
  EXPECT_NE(message.find("rope: qkv shares its bytes"), std::string::npos) << message;
}

}  // namespace
}  // namespace attune::testing
