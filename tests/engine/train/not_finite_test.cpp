// Numbers that are not finite end a run at their step, by the name of the tensor: on the CPU and on the device, replayed
// from graphs or not, in every way of computing a step. The step that is run again has the bits of the one that failed.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <ostream>

#include "engine/tensor/finite.h"
#include "kernels/cuda/device_info.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kBadStep = 3;

struct How {
  const char* name;
  Device device = Device::kCpu;
  DType dtype = DType::kFloat32;
  bool graphs = false, packed = true, recompute = false;
  std::int64_t accumulation_steps = 1;
  LateTables late_tables = LateTables::kLarge;

  friend void PrintTo(const How& how, std::ostream* out) { *out << how.name; }
};

class NotFiniteNumbers : public ::testing::TestWithParam<How> {
 protected:
  void SetUp() override {
    if (GetParam().device == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
    Gpt2Config config{.vocab_size = 31, .n_positions = 12, .n_embd = 16, .n_layer = 2, .n_head = 2, .n_inner = 32};
    config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = 0.1F;
    config.activation = Activation::kRelu;
    model_ = started_model(config, DType::kFloat32);
    place(*model_, GetParam().device, GetParam().dtype);
  }

  BatchForm form() const { return {.max_length = 12, .pad_id = 30, .packed = GetParam().packed, .mask = true}; }
  LogitsFn logits() const {
    return [this](const TokenBatch& batch, ForwardPass pass) {
      pass.recompute = GetParam().recompute;
      return model_->forward(batch, pass);
    };
  }
  AdamWOptions adamw() const { return {.late_tables = GetParam().late_tables}; }

  Parameter parameter(const std::string& published) const {
    for (const ParameterRow& row : model_->table().rows())
      if (row.hf_name == published) return row.parameter;
    throw Error("no parameter " + published);
  }
  // Changes the values of a parameter, and its master, on whatever device.
  void change(const std::string& published, const std::function<void(std::span<float>)>& how) const {
    const Parameter changed = parameter(published);
    const Tensor values = changed.exact().to(Device::kCpu).clone();
    how(values.values<float>());
    changed.exact().copy_from(values);
    if (changed.master().defined()) changed.value().copy_from(values.cast(changed.value().dtype()));
  }
  void scale(const std::string& published, float factor) const {
    change(published, [&](std::span<float> values) {
      for (float& x : values) x *= factor;
    });
  }
  void fill(const std::string& published, float value) const {
    change(published, [&](std::span<float> values) { std::ranges::fill(values, value); });
  }
  std::vector<double> weights() const {
    std::vector<double> out;
    for (const auto& [name, parameter] : parameters_of(*model_)) {
      const Tensor values = parameter.exact().to(Device::kCpu).cast(DType::kFloat64);
      out.insert(out.end(), values.values<double>().begin(), values.values<double>().end());
    }
    return out;
  }

  static void expect_first(const std::string& message, const std::string& tensor) {
    EXPECT_TRUE(message.starts_with("training stopped at step 3: the ")) << message;
    EXPECT_TRUE(message.ends_with("; the first tensor that is not finite is " + tensor)) << message;
  }

  // The error of a run whose model `damage` changes before step kBadStep. Its weights must stay as they are then.
  std::string error_of(const Task& task, const Dataset& examples, const std::function<void()>& damage) {
    TrainOptions options;
    options.epochs = 2;
    options.batch_size = 4;
    options.eval_every = 0;
    options.accumulation_steps = GetParam().accumulation_steps;
    options.schedule.peak = 1e-3;
    options.graphs = GetParam().graphs;
    options.adamw = adamw();
    Trainer trainer(*model_, logits(), task, {examples, examples, form(), GetParam().device}, options);
    Recorder recorder;
    std::vector<double> before;
    std::int64_t done = 0;
    try {
      trainer.run(recorder, [&] {
        if (++done == kBadStep) {
          damage();
          before = weights();
        }
        return false;
      });
    } catch (const NotFiniteError& error) {
      tensor_ = error.tensor();
      if (error.step() == kBadStep) {
        EXPECT_EQ(std::ssize(recorder.steps), kBadStep);
        const std::vector<double> after = weights();
        for (std::size_t i = 0; i < before.size(); ++i)
          if (!(before[i] == after[i] || (std::isnan(before[i]) && std::isnan(after[i]))))
            ADD_FAILURE() << "weight " << i << " has changed";
      }
      return error.what();
    }
    return "";
  }
  std::string error_of(const std::function<void()>& damage) {
    return error_of(two_classes(), invented_examples(32, 12, 30, 5), damage);
  }

  std::unique_ptr<Gpt2Classifier> model_;
  std::optional<NotFinite> tensor_;  // of the last error
};

TEST_P(NotFiniteNumbers, InAWeight) {
  const std::string name = "transformer.h.1.mlp.c_fc.weight";
  const std::string message =
      error_of([&] { change(name, [](std::span<float> values) { values[values.size() / 2] = kNan; }); });
  expect_first(message, "the weight " + name);
  EXPECT_NE(message.find(": the loss is "), std::string::npos) << message;  // ReLU keeps NaN
  ASSERT_TRUE(tensor_);
  EXPECT_STREQ(tensor_->kind_name(), "weight");
  EXPECT_EQ(tensor_->name, name);
}

TEST_P(NotFiniteNumbers, InARowOfATable) {
  const std::string name = "transformer.wte.weight";
  const std::string message = error_of([&] { fill(name, std::numeric_limits<float>::infinity()); });
  expect_first(message, "the weight " + name);
}

TEST_P(NotFiniteNumbers, InAnActivation) {
  const std::string message = error_of([&] {
    for (const char* layer : {"transformer.h.1.mlp.c_fc.weight", "transformer.h.1.mlp.c_proj.weight"})
      fill(layer, 1e30F);
  });
  expect_first(message, "the output of linear layer transformer.h.1.mlp.c_proj");
  ASSERT_TRUE(tensor_);
  EXPECT_STREQ(tensor_->kind_name(), "activation");
}

// The constant 1e38 goes through a layer whose outputs are of ordinary size; the gradient of its weights is not.
TEST_P(NotFiniteNumbers, InAGradient) {
  const std::string message = error_of([&] {
    fill("transformer.h.1.mlp.c_fc.weight", 0);
    fill("transformer.h.1.mlp.c_fc.bias", 1e38F);
    scale("transformer.h.1.mlp.c_proj.weight", 1e-37F);
    scale("score.weight", 1e5F);
  });
  expect_first(message, "the gradient of transformer.h.1.mlp.c_proj.weight");
  EXPECT_NE(message.find("step 3: the norm of the gradient is "), std::string::npos) << message;
  ASSERT_TRUE(tensor_);
  EXPECT_STREQ(tensor_->kind_name(), "gradient");
}

// Of two numbers that are 1e30 apart the square is infinite, and its gradient is not.
TEST_P(NotFiniteNumbers, InTheLossAlone) {
  Dataset examples = invented_examples(32, 12, 30, 5);
  examples.labels = Tensor::zeros({32, 2}, DType::kFloat32);
  const auto task = make_task(kRegression, {.outputs = 2});
  const std::string message = error_of(*task, examples, [&] { fill("score.weight", 1e25F); });
  EXPECT_EQ(message,
            "training stopped at step 3: the loss is inf; the first tensor that is not finite is the loss itself (mean "
            "squared error of finite logits)");
}

TEST_P(NotFiniteNumbers, InALabel) {
  Dataset examples = invented_examples(32, 12, 30, 5);
  examples.labels = Tensor::zeros({32, 2}, DType::kFloat32);
  examples.labels.values<float>()[11] = kNan;
  const auto task = make_task(kRegression, {.outputs = 2});
  EXPECT_EQ(message_of([&] { error_of(*task, examples, [] {}); }),
            "invented: the label of example 5 (counted from 0) is not finite");
}

// Loss and norm of the gradients of the step that is run again are those of the first time, to the last bit. With a rate
// of 0 the weights are too.
TEST_P(NotFiniteNumbers, AStepThatIsRunAgainHasTheSameBits) {
  const How& how = GetParam();
  const Dataset examples = invented_examples(32, 12, 30, 5);
  AdamWOptions options = adamw();
  options.weight_decay = 0;
  AdamWOptimizer optimizer(parameters_of(*model_, true), options);
  StepRunner runner(logits(), two_classes(), optimizer,
                    {.seed = 7, .accumulation_steps = how.accumulation_steps, .graphs = how.graphs});
  const ExampleStore store(examples, form(), how.device,
                           how.device == Device::kCuda ? packed_row_multiple(4, examples.longest()) : 1);
  std::vector<std::int32_t> order(32);
  std::iota(order.begin(), order.end(), 0);
  const auto batch = [&](std::int64_t step) {
    return std::span<const std::int32_t>(order).subspan(static_cast<std::size_t>(4 * (step % 8)), 4);
  };
  const double share = 1.0 / static_cast<double>(how.accumulation_steps);
  std::int64_t step = 0;
  for (std::int64_t update = 0; update < 6; ++update) {
    for (std::int64_t i = 1; i <= how.accumulation_steps; ++i, ++step)
      runner.start(store, {batch(step), share}, step, i == how.accumulation_steps ? std::optional(0.0) : std::nullopt);
  }
  EXPECT_EQ(runner.graphs() > 0, how.graphs && how.accumulation_steps == 1);
  const std::vector<StepResult> results = runner.take(true);
  std::vector<StepBatch> group;
  for (std::int64_t i = step - how.accumulation_steps; i < step; ++i) group.push_back({batch(i), share});
  const Rerun again = runner.run_again(store, step - how.accumulation_steps, group);
  EXPECT_FALSE(again.found) << again.found->text();
  EXPECT_EQ(again.loss, results.back().loss);
  optimizer.step(0);
  EXPECT_EQ(optimizer.norm().to(Device::kCpu).item(), results.back().grad_norm);
}

// The last step of a run may leave weights that no later step has tried.
TEST_P(NotFiniteNumbers, InTheOutputsOfAModelThatIsToBeSaved) {
  TrainOptions options;
  options.batch_size = 4;
  options.eval_every = 0;
  options.graphs = GetParam().graphs;
  options.adamw = adamw();
  const Dataset examples = invented_examples(32, 12, 30, 5);
  Trainer trainer(*model_, logits(), two_classes(), {examples, examples, form(), GetParam().device}, options);
  Recorder recorder;
  std::int64_t saved = 0;
  const SavePlan plan{1, [&](const RunState&) { ++saved; }};
  const auto stop = [&] {
    if (saved == 2) fill("transformer.h.1.mlp.c_proj.weight", 1e38F);
    return saved == 2;
  };
  EXPECT_FALSE(trainer.run(recorder, stop, plan));
  std::string message = message_of([&] { trainer.check(); });
  EXPECT_TRUE(message.starts_with("evaluation stopped: the logits of example ")) << message;
  // Its sums are finite still, their variance is not.
  EXPECT_TRUE(message.ends_with("the output of layer norm transformer.ln_f")) << message;
  fill("transformer.h.0.ln_1.bias", kNan);
  EXPECT_EQ(message_of([&] { trainer.check(); }),
            "training stopped after 2 steps: the weight transformer.h.0.ln_1.bias is not finite");
  EXPECT_EQ(message_of([&] {
              trainer.run(
                  recorder, [] { return false; }, plan);
            }).substr(0, 27),
            "training stopped at step 2:");
  EXPECT_EQ(saved, 2);
}

const How kWays[] = {
    {.name = "Cpu"},
    {.name = "CpuPadded", .packed = false},
    {.name = "CpuRecompute", .recompute = true},
    {.name = "CpuAccumulated", .accumulation_steps = 2, .late_tables = LateTables::kAll},
    {.name = "CpuLateRows", .late_tables = LateTables::kAll},
    {.name = "DeviceGraphs", .device = Device::kCuda, .graphs = true},
};
const How kSlowWays[] = {
    {.name = "DeviceGraphsBFloat16", .device = Device::kCuda, .dtype = DType::kBFloat16, .graphs = true},
    {.name = "Device", .device = Device::kCuda},
    {.name = "DeviceGraphsRecompute", .device = Device::kCuda, .graphs = true, .recompute = true},
    {.name = "DeviceGraphsLateRows", .device = Device::kCuda, .graphs = true, .late_tables = LateTables::kAll},
    {.name = "DeviceAccumulated",
     .device = Device::kCuda,
     .graphs = true,
     .accumulation_steps = 2,
     .late_tables = LateTables::kAll},
};
const auto name_of_way = [](const auto& how) { return std::string(how.param.name); };
INSTANTIATE_TEST_SUITE_P(Ways, NotFiniteNumbers, ::testing::ValuesIn(kWays), name_of_way);
INSTANTIATE_TEST_SUITE_P(SlowWays, NotFiniteNumbers, ::testing::ValuesIn(kSlowWays), name_of_way);

}  // namespace
}  // namespace attune::testing
