// The norm that is measured during backward, on the CUDA device, a GPU or the simulator: it has the bits of the norm of all
// gradients at the end.
#include "engine/train/gradient_squares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "engine/autograd/functions.h"
#include "engine/ops/grad_norm.h"
#include "engine/train/step_runner.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

class GradientSquaresTest : public OnDevice {};

Tensor number_on_device() {
  return Tensor::from(std::vector<double>{-1}, {1}).to(Device::kCuda);
}

double norm_at_the_end(const std::vector<NamedParameter>& parameters) {
  const Tensor norm = number_on_device();
  std::vector<ops::Gradient> gradients;
  for (const auto& [name, parameter] : parameters)
    if (parameter.grad().defined()) gradients.push_back(parameter.grad().kept());
  ops::grad_norm(InPlace(norm), gradients);
  return norm.to(Device::kCpu).item();
}

double norm_on_the_way(GradientSquares& squares) {
  const Tensor norm = number_on_device();
  squares.finish(InPlace(norm));
  return norm.to(Device::kCpu).item();
}

// Backward passes of a GPT: some write gradients, some add to them, and rows of its tables may be late.
TEST_F(GradientSquaresTest, HaveTheBitsOfTheNormAtTheEnd) {
  const Dataset examples = invented_examples(3, 6, 11, 3);
  for (const auto& [dtype, late] :
       {std::pair(DType::kFloat32, LateTables::kAll), std::pair(DType::kBFloat16, LateTables::kNone)}) {
    Gpt2Config config = tiny_config();
    config.n_layer = 2;
    const auto model = started_model(config, DType::kFloat32);
    place(*model, Device::kCuda, dtype);
    const std::vector<NamedParameter> parameters = parameters_of(*model, true);
    const AdamWOptimizer optimizer(parameters, {.late_tables = late});
    const ExampleStore store(examples, {.max_length = 6, .pad_id = 11}, Device::kCuda);
    GradientSquares squares(parameters, 600);
    double latest = 0;
    for (int pass = 0; pass < 3; ++pass) {
      if (pass < 2) optimizer.zero_grad();
      squares.begin(true);
      const std::vector<std::int32_t> chosen = {pass % 2, 2};
      const LabelledBatch batch = store.batch(chosen);
      Tape tape;
      Variable loss;
      {
        const Tape::Recording recording(tape);
        loss = two_classes().loss(model->forward(batch.tokens, {.training = true, .seed = 1}), batch.labels);
      }
      tape.backward(loss, 1, [&] { squares.look(); });
      squares.end();
      EXPECT_EQ(squares.measured(), pass > 0);
      if (pass == 0) continue;
      EXPECT_GE(squares.launches(), 3u);
      const double norm = norm_on_the_way(squares);
      EXPECT_EQ(norm, norm_at_the_end(parameters)) << pass << " " << name_of(dtype);
      EXPECT_GT(norm, 0);
      EXPECT_NE(norm, latest);
      latest = norm;
    }
  }
}

// Gradients that are given one after the other.
class Given {
 public:
  Given() {
    for (const char* name : {"first", "second", "third"})
      all.push_back(
          {name, Parameter(Tensor::zeros({20, 10}, DType::kFloat32, Device::kCuda), Parameter::Rounding::kNever)});
  }
  /// A pass that gives them in this order.
  void pass(GradientSquares& squares, const std::vector<std::size_t>& order, bool ends = true) {
    for (const auto& [name, parameter] : all) parameter.grad().clear();
    squares.begin(ends);
    for (const std::size_t i : order) {
      std::vector<float> values(200);
      std::iota(values.begin(), values.end(), static_cast<float>(++given_));
      all[i].parameter.grad().add(Tensor::from(values, {20, 10}).to(Device::kCuda));
      squares.look();
    }
    squares.end();
  }

  std::vector<NamedParameter> all;

 private:
  int given_ = 0;
};

TEST_F(GradientSquaresTest, AreOfWholeLaunches) {
  Given given;
  GradientSquares squares(given.all, 1600);  // two gradients
  given.pass(squares, {2, 1, 0});
  given.pass(squares, {2, 1, 0});
  EXPECT_EQ(squares.launches(), 1u);
  EXPECT_EQ(norm_on_the_way(squares), norm_at_the_end(given.all));
  given.pass(squares, {2, 1, 0}, false);
  EXPECT_EQ(squares.launches(), 0u);
  EXPECT_FALSE(squares.measured());
}

// A gradient is missing, one that was not there comes, or one is written more often, after it seemed final.
TEST_F(GradientSquaresTest, AreNotUsedIfAPassDiffersFromTheFirst) {
  for (const std::vector<std::size_t>& other : {std::vector<std::size_t>{2}, {2, 1, 0}, {2, 1, 2}, {1, 2, 1}}) {
    Given given;
    GradientSquares squares(given.all, 1);
    given.pass(squares, {2, 1});
    given.pass(squares, {2, 1});
    EXPECT_TRUE(squares.measured());
    given.pass(squares, other);
    EXPECT_FALSE(squares.measured());
    given.pass(squares, {1, 2});  // the order among them does not count
    EXPECT_TRUE(squares.measured());
    EXPECT_EQ(norm_on_the_way(squares), norm_at_the_end(given.all));
  }
}

// A weight that two layers read, where the first pass had one: its gradient is written to once more after side work has
// read it.
TEST_F(GradientSquaresTest, LeaveGradientsThatAreWrittenToAgain) {
  std::vector<float> numbers(64 * 64);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i));
  const Tensor values = Tensor::from(numbers, {64, 64}).to(Device::kCuda);
  const Parameter weight(values, Parameter::Rounding::kNever);
  const auto pass = [&](int layers, const std::function<void()>& after_step) {
    weight.grad().clear();
    Tape tape;
    Variable y(values, true);
    {
      const Tape::Recording recording(tape);
      for (int i = 0; i < layers; ++i) y = linear(y, weight, {});
    }
    tape.backward({y}, {values}, after_step);
    const Tensor host = weight.grad().tensor().to(Device::kCpu);
    return std::vector<float>(host.values<float>().begin(), host.values<float>().end());
  };
  GradientSquares squares({{"weight", weight}}, 1);
  for (const int layers : {1, 2}) {
    squares.begin(true);
    const std::vector<float> gradient = pass(layers, [&] { squares.look(); });
    squares.end();
    EXPECT_FALSE(squares.measured());
    EXPECT_EQ(gradient, pass(layers, {})) << layers;
  }
  EXPECT_EQ(squares.launches(), 1u);
}

}  // namespace
}  // namespace attune::testing
