// Training on the CUDA device, a GPU or the simulator: the CPU's run, the same bits on every run and in every schedule,
// captured or not, packed or padded. A test of a name with InEveryKindOfRun does the same for all models, types and
// options in place of a few; it is slow on the simulator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "engine/tensor/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "models/bert/bert.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/message_of.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

struct DeviceRun {
  std::vector<double> losses, norms, evaluations, weights, averages;
  std::int64_t graphs = 0;
};

struct How {
  Device device = Device::kCuda;
  DType dtype = DType::kFloat32;
  bool graphs = true, packed = false, recompute = false;
  std::uint64_t schedule = 1;
  std::int64_t accumulation_steps = 1, epochs = 2, batch_tokens = 0;
  double ema_decay = 0;
  LateTables late_tables = LateTables::kLarge;
  friend bool operator==(const How&, const How&) = default;
};

template <class Model>
DeviceRun run_of(const Model& model, const How& how) {
  if (how.device == Device::kCuda) cuda::set_schedule_seed(how.schedule);
  const Dataset examples = invented_examples(14, 12, 30, 5);
  place(model, how.device, how.dtype);
  TrainOptions options;
  options.epochs = how.epochs;
  options.batch_size = 4;
  options.batch_tokens = how.batch_tokens;
  options.ema_decay = how.ema_decay;
  options.accumulation_steps = how.accumulation_steps;
  options.eval_every = 3;
  options.eval_batches = 1;
  options.schedule = {.kind = LrSchedule::Kind::kLinear, .peak = 1e-2, .warmup_steps = 1};
  options.graphs = how.graphs;
  options.adamw.max_grad_norm = 1;
  options.adamw.late_tables = how.late_tables;
  const LogitsFn logits = [&](const TokenBatch& batch, ForwardPass pass) {
    pass.recompute = how.recompute;
    return model.forward(batch, pass);
  };
  Trainer trainer(
      model, logits, two_classes(),
      {examples, examples, {.max_length = 12, .pad_id = 30, .packed = how.packed, .mask = true}, how.device}, options);
  Recorder recorder;
  EXPECT_TRUE(trainer.run(recorder, [] { return false; }));
  DeviceRun out;
  for (const StepRecord& record : recorder.steps) {
    out.losses.push_back(record.loss);
    if (record.grad_norm) out.norms.push_back(*record.grad_norm);
  }
  for (const auto& [name, parameter] : parameters_of(model)) {
    const Tensor values = parameter.exact().to(Device::kCpu).cast(DType::kFloat64);
    out.weights.insert(out.weights.end(), values.values<double>().begin(), values.values<double>().end());
  }
  for (const RunState::Parameter& held : trainer.state().parameters) {
    if (!held.average.defined()) continue;
    const Tensor values = held.average.to(Device::kCpu).cast(DType::kFloat64);
    out.averages.insert(out.averages.end(), values.values<double>().begin(), values.values<double>().end());
  }
  out.graphs = trainer.graphs();
  for (const EvaluationRecord& record : recorder.evaluations)
    out.evaluations.insert(out.evaluations.end(), {record.train_loss, record.validation_loss});
  const Evaluation all = trainer.evaluate_all(examples, false, {});
  out.evaluations.insert(out.evaluations.end(), {all.loss, all.measure("accuracy")});
  return out;
}

DeviceRun gpt_run(const How& how) {
  return run_of(*started_model(small_config(), DType::kFloat32), how);
}

DeviceRun bert_run(const How& how) {
  const BertConfig config{.family = BertFamily::kRoberta,
                          .vocab_size = 31,
                          .hidden_size = 16,
                          .layers = 2,
                          .heads = 2,
                          .intermediate_size = 24,
                          .positions = 20,
                          .type_vocab_size = 1,
                          .pad_token_id = 1};
  const BertClassifier model(config, DType::kFloat32);
  TorchGenerator generator(7);
  for (const ParameterRow& row : model.table().rows())
    model.initialize_row(row, row.part_of(row.parameter.value()), generator);
  return run_of(model, how);
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double relative,
                 double absolute = 0) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], relative * std::abs(expected[i]) + absolute) << i;
}

// A run of one of the models.
using ModelRun = DeviceRun (*)(const How& how);

// The result of a run that several tests compare with: it is made once. EqualRunsGiveEqualBitsInOtherSchedules shows that another one
// would have its bits.
DeviceRun known(ModelRun run, const How& how) {
  static std::vector<std::tuple<ModelRun, How, DeviceRun>> runs;
  for (const auto& [model, ways, result] : runs)
    if (model == run && ways == how) return result;
  return std::get<DeviceRun>(runs.emplace_back(run, how, run(how)));
}

class DeviceTraining : public OnDevice {};

TEST_F(DeviceTraining, AParameterThatTheModelIgnoresEndsTheFirstStep) {
  TrainOptions options;
  options.epochs = 2;
  options.eval_every = 0;
  for (const bool graphs : {true, false}) {
    options.graphs = graphs;
    EXPECT_EQ(
        careless_run(Device::kCuda, false, options),
        std::pair(std::string("training stopped at the first step: head.ignored is trained and has no gradient; the "
                              "model does not use it"),
                  std::size_t{0}));
    EXPECT_EQ(careless_run(Device::kCuda, true, options), std::pair(std::string(), std::size_t{8})) << "it is frozen";
  }
}

void expect_the_cpus(ModelRun run, bool packed) {
  const DeviceRun cpu = run({.device = Device::kCpu, .packed = packed}), device = known(run, {.packed = packed});
  EXPECT_EQ(cpu.losses.size(), 6u);
  EXPECT_EQ(cpu.evaluations.size(), 6u);
  expect_near(device.evaluations, cpu.evaluations, 1e-5);
  expect_near(device.losses, cpu.losses, 1e-5);
  expect_near(device.norms, cpu.norms, 1e-4);
}

TEST_F(DeviceTraining, IsTheCpusRun) {
  expect_the_cpus(gpt_run, true);
  expect_the_cpus(bert_run, false);
}

TEST_F(DeviceTraining, IsTheCpusRunInEveryKindOfRun) {
  expect_the_cpus(gpt_run, false);
  expect_the_cpus(bert_run, true);
}

void expect_equal_bits_in_schedules(ModelRun run, DType dtype, const std::vector<std::uint64_t>& schedules) {
  const DeviceRun first = run({.dtype = dtype, .packed = true, .epochs = 1});
  for (const std::uint64_t schedule : schedules) {
    const DeviceRun again = run({.dtype = dtype, .packed = true, .schedule = schedule, .epochs = 1});
    EXPECT_EQ(again.losses, first.losses);
    EXPECT_EQ(again.norms, first.norms);
    EXPECT_EQ(again.weights, first.weights);
  }
}

TEST_F(DeviceTraining, EqualRunsGiveEqualBitsInOtherSchedules) {
  expect_equal_bits_in_schedules(gpt_run, DType::kFloat32, {2});
  expect_equal_bits_in_schedules(bert_run, DType::kBFloat16, {2});
}

TEST_F(DeviceTraining, EqualRunsGiveEqualBitsInOtherSchedulesInEveryKindOfRun) {
  for (const ModelRun run : {gpt_run, bert_run})
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) expect_equal_bits_in_schedules(run, dtype, {2, 3});
}

// Two steps, at first one of them and then both from a graph, a thousand times on a GPU, with enough of everything to
// keep many blocks busy.
void expect_repeated_steps_give_equal_bits(DType dtype) {
  const bool gpu = on_gpu();
  Gpt2Config config = small_config();
  if (gpu)
    config = {.vocab_size = 2000,
              .n_positions = 128,
              .n_embd = 256,
              .n_layer = 4,
              .n_head = 4,
              .n_inner = 1024,
              .embd_pdrop = 0.1F,
              .attn_pdrop = 0.1F,
              .resid_pdrop = 0.1F};
  const Dataset examples = invented_examples(8, static_cast<std::uint32_t>(config.n_positions),
                                             static_cast<std::uint32_t>(config.vocab_size), 5);
  std::vector<std::int32_t> all(8);
  std::iota(all.begin(), all.end(), 0);
  const auto model = started_model(config, DType::kFloat32);
  place(*model, Device::kCuda, dtype);
  const ExampleStore store(examples, {.packed = true}, Device::kCuda);
  std::vector<std::pair<Tensor, Tensor>> first;  // what to begin with again
  for (const auto& [name, parameter] : parameters_of(*model))
    for (const Tensor& x : {parameter.value(), parameter.master()})
      if (x.defined()) first.emplace_back(x, x.clone());
  std::vector<std::byte> expected;
  for (int repeat = 0, runs = gpu ? 4 : 2, of_run = gpu ? 250 : 2; repeat < runs * of_run;) {
    AdamWOptimizer optimizer(parameters_of(*model, true), {.max_grad_norm = 1});
    AdamWState start = optimizer.state();
    for (AdamWState::Moments& moments : start.moments) moments.m = moments.m.clone(), moments.v = moments.v.clone();
    StepRunner runner([&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
                      two_classes(), optimizer, {.seed = 3});
    for (const int end = repeat + of_run; repeat < end; ++repeat) {
      cuda::set_schedule_seed(static_cast<std::uint64_t>(repeat) + 1);
      for (auto& [x, values] : first) x.copy_from(values);
      optimizer.restore(start);
      for (int step = 0; step < 2; ++step) runner.start(store, {all}, step, 1e-3);
      runner.take(true);
      EXPECT_EQ(runner.graphs(), 1);
      std::vector<std::byte> bits = bits_of(*model);
      if (repeat == 0)
        expected = std::move(bits);
      else
        ASSERT_TRUE(bits == expected) << "repeat " << repeat;
    }
  }
}

TEST_F(DeviceTraining, RepeatedStepsGiveEqualBits) {
  expect_repeated_steps_give_equal_bits(DType::kBFloat16);
}

TEST_F(DeviceTraining, RepeatedStepsGiveEqualBitsInEveryKindOfRun) {
  expect_repeated_steps_give_equal_bits(DType::kFloat32);
}

void expect_captured_as_direct(DType dtype) {
  const DeviceRun captured = known(bert_run, {.dtype = dtype, .packed = true}),
                  direct = bert_run({.dtype = dtype, .graphs = false, .packed = true});
  EXPECT_GT(captured.graphs, 0);
  EXPECT_EQ(direct.graphs, 0);
  EXPECT_EQ(captured.losses, direct.losses);
  EXPECT_EQ(captured.norms, direct.norms);
  EXPECT_EQ(captured.evaluations, direct.evaluations);
  EXPECT_EQ(captured.weights, direct.weights);
}

TEST_F(DeviceTraining, CapturedStepsAreTheStepsThemselves) {
  expect_captured_as_direct(DType::kBFloat16);
}

TEST_F(DeviceTraining, CapturedStepsAreTheStepsThemselvesInEveryKindOfRun) {
  expect_captured_as_direct(DType::kFloat32);
}

// Evaluations and steps of several batches included.
void expect_late_rows_change_no_bit(ModelRun run, How how) {
  how.late_tables = LateTables::kNone;
  const DeviceRun plain = run(how);
  how.late_tables = LateTables::kAll;
  const DeviceRun late = run(how);
  EXPECT_EQ(late.graphs, plain.graphs);
  EXPECT_EQ(late.losses, plain.losses);
  EXPECT_EQ(late.norms, plain.norms);
  EXPECT_EQ(late.evaluations, plain.evaluations);
  EXPECT_EQ(late.weights, plain.weights);
}

TEST_F(DeviceTraining, LateRowsChangeNoBit) {
  expect_late_rows_change_no_bit(gpt_run, {.packed = true});
  for (const ModelRun run : {gpt_run, bert_run}) {
    expect_late_rows_change_no_bit(run, {.device = Device::kCpu, .epochs = 4});
    expect_late_rows_change_no_bit(
        run, {.device = Device::kCpu, .packed = true, .recompute = true, .accumulation_steps = 2});
  }
}

TEST_F(DeviceTraining, LateRowsChangeNoBitInEveryKindOfRun) {
  expect_late_rows_change_no_bit(gpt_run, {.packed = true, .epochs = 3});
  expect_late_rows_change_no_bit(bert_run, {.dtype = DType::kBFloat16, .packed = true, .epochs = 3});
  expect_late_rows_change_no_bit(gpt_run, {.dtype = DType::kBFloat16, .graphs = false, .recompute = true});
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16})
    expect_late_rows_change_no_bit(bert_run, {.dtype = dtype, .graphs = false, .accumulation_steps = 3});
}

void expect_recomputed_as_plain(ModelRun run) {
  const DeviceRun plain = known(run, {.packed = true}), recomputed = run({.packed = true, .recompute = true});
  EXPECT_GT(recomputed.graphs, 0);
  EXPECT_EQ(recomputed.losses, plain.losses);
  EXPECT_EQ(recomputed.weights, plain.weights);
}

TEST_F(DeviceTraining, RecomputedStepsAreTheStepsThemselves) {
  expect_recomputed_as_plain(gpt_run);
}

TEST_F(DeviceTraining, RecomputedStepsAreTheStepsThemselvesInEveryKindOfRun) {
  expect_recomputed_as_plain(bert_run);
}

TEST_F(DeviceTraining, BFloat16FollowsFloat32) {
  const DeviceRun whole = known(bert_run, {.packed = true}),
                  rounded = known(bert_run, {.dtype = DType::kBFloat16, .packed = true});
  expect_near(rounded.losses, whole.losses, 0.02);
  EXPECT_NE(rounded.losses, whole.losses);
}

TEST_F(DeviceTraining, PackedIsPadded) {
  const DeviceRun padded = known(bert_run, {}), packed = known(bert_run, {.packed = true});
  expect_near(packed.losses, padded.losses, 1e-5);
}

TEST_F(DeviceTraining, GradientsAccumulateOverBatches) {
  const DeviceRun cpu = gpt_run({.device = Device::kCpu, .accumulation_steps = 2}),
                  device = gpt_run({.accumulation_steps = 2});
  expect_near(device.losses, cpu.losses, 1e-5);
  EXPECT_EQ(device.norms.size(), 4u);
}

void expect_batches_by_tokens(std::int64_t accumulation) {
  How how{.packed = true, .accumulation_steps = accumulation, .batch_tokens = 30};
  const DeviceRun captured = bert_run(how);
  how.graphs = false;
  const DeviceRun direct = bert_run(how);
  how.device = Device::kCpu;
  const DeviceRun cpu = bert_run(how);
  EXPECT_EQ(captured.graphs > 1, accumulation == 1);
  EXPECT_EQ(captured.losses, direct.losses);
  EXPECT_EQ(captured.weights, direct.weights);
  EXPECT_EQ(captured.losses.size(), cpu.losses.size());
  expect_near(captured.losses, cpu.losses, 1e-5);
  expect_near(captured.norms, cpu.norms, 1e-4);
}

TEST_F(DeviceTraining, BatchesByTokensAreTheCpusAndTheStepsThemselves) {
  expect_batches_by_tokens(1);
}

TEST_F(DeviceTraining, BatchesByTokensAreTheCpusAndTheStepsThemselvesInEveryKindOfRun) {
  expect_batches_by_tokens(3);
}

// Training does not notice the average: the weights are exchanged and put back bit by bit, the rounded ones too.
DeviceRun averaged_run(DType dtype) {
  How how{.dtype = dtype, .packed = true, .ema_decay = 0.9};
  const DeviceRun captured = bert_run(how);
  how.ema_decay = 0;
  const DeviceRun plain = known(bert_run, how);
  EXPECT_GT(captured.graphs, 0);
  EXPECT_EQ(captured.weights, plain.weights);
  EXPECT_EQ(captured.losses, plain.losses);
  EXPECT_NE(captured.evaluations, plain.evaluations);
  EXPECT_EQ(captured.averages.size(), captured.weights.size());
  EXPECT_NE(captured.averages, captured.weights);
  return captured;
}

TEST_F(DeviceTraining, AveragesOfTheWeights) {
  const DeviceRun device = averaged_run(DType::kFloat32),
                  cpu = bert_run({.device = Device::kCpu, .packed = true, .ema_decay = 0.9});
  expect_near(device.averages, cpu.averages, 1e-4, 1e-5);
  expect_near(device.evaluations, cpu.evaluations, 1e-5);
}

TEST_F(DeviceTraining, AveragesOfTheWeightsInEveryKindOfRun) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const DeviceRun captured = averaged_run(dtype),
                    direct = bert_run({.dtype = dtype, .graphs = false, .packed = true, .ema_decay = 0.9});
    EXPECT_EQ(captured.averages, direct.averages);
  }
}

// What is frozen is rounded on the device, but its float32 value is what a checkpoint gets.
TEST_F(DeviceTraining, FrozenParametersKeepTheirFloat32Values) {
  const auto model = started_model(small_config(), DType::kFloat32);
  set_trainable(*model, TrainableLayers::kLastLayer);
  std::map<std::string, Tensor> before;
  for (const auto& [name, parameter] : parameters_of(*model)) before[name] = parameter.value().clone();
  const DeviceRun run = run_of(*model, {.dtype = DType::kBFloat16});
  EXPECT_GT(run.graphs, 0);
  int rounded = 0;
  for (const auto& [name, parameter] : parameters_of(*model)) {
    const Tensor after = parameter.exact().to(Device::kCpu);
    const bool same = std::ranges::equal(after.values<float>(), before.at(name).values<float>());
    EXPECT_EQ(same, !parameter.requires_grad()) << name;
    rounded += parameter.value().dtype() == DType::kBFloat16 ? 1 : 0;
    if (parameter.master().defined()) {
      EXPECT_EQ(parameter.master().device(), Device::kCpu) << name;
    }
  }
  EXPECT_EQ(rounded, 16);  // weights and biases of four linear layers in each of two blocks
}

}  // namespace
}  // namespace attune::testing
