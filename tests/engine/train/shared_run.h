// A training run that several processes share, or that one process has alone, to compare.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "engine/train/run_state.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/data.h"
#include "tests/support/processes.h"

namespace attune::testing {

inline const Task& weighted_classes() {
  static const std::unique_ptr<Task> task =
      make_task("single_label_classification", {.outputs = 2, .class_weights = {0.3, 2.5}});
  return *task;
}

// Texts of class 0 do not count: often none of a process does.
inline const Task& one_class_counts() {
  static const std::unique_ptr<Task> task =
      make_task("single_label_classification", {.outputs = 2, .class_weights = {0, 1.5}});
  return *task;
}

struct SharedCase {  // NOLINT(clang-analyzer-optin.performance.Padding): in the order of reading
  const char* name;
  bool packed = false;
  float dropout = 0;
  std::int64_t accumulation_steps = 1;
  Device device = Device::kCpu;
  std::int64_t batch_size = 12;
  const Task& task = two_classes();
  bool sharded = false;  // the optimizer's state
  double ema_decay = 0;
  bool groups = false;  // of learning rates and weight decay
  bool frozen = false;  // the first block
  bool large = false;   // the table of tokens is several pieces
  std::int64_t batch_tokens = 0;
  bool group_by_length = false;
  double learning_rate = 1e-3;  // batches of few texts have large gradients, and rounding grows with the steps
  LateTables late_tables = LateTables::kAll;

  // The simulated device is slow: less of everything.
  bool small() const { return device == Device::kCuda; }
  std::size_t examples() const { return small() ? 37 : batch_tokens > 0 ? 50 : 100; }
  std::int64_t first_steps() const { return small() ? 2 : 6; }
  Gpt2Config config() const {
    return {.vocab_size = large ? 2000 : 100,
            .n_positions = 24,
            .n_embd = small() ? 16 : 32,
            .n_layer = small() ? 1 : 2,
            .n_head = 2,
            .n_inner = small() ? 16 : 64,
            .embd_pdrop = dropout,
            .attn_pdrop = dropout,
            .resid_pdrop = dropout};
  }
};

// The run of a case, shared by `processes`.
class SharedRun {
 public:
  /// `label`: of all training examples; negative: random labels.
  SharedRun(const SharedCase& of, Communicator& processes, std::int64_t max_steps = 0, std::int32_t label = -1)
      : examples_(labelled(invented_examples(of.examples(), of.small() ? 8 : 24, 99, 4), label)),
        validation_(invented_examples(of.small() ? 13 : 41, of.small() ? 8 : 24, 99, 5)),
        model_(started_model(of.config(), DType::kFloat32)) {
    place(*model_, of.device, DType::kFloat32);
    if (of.frozen) set_trainable(*model_, [](const std::string& name) { return !name.starts_with("blocks.0."); });
    TrainOptions options;
    options.shard_optimizer = of.sharded;
    options.ema_decay = of.ema_decay;
    if (of.groups)
      options.adamw.group_of = [](const std::string& name) {
        return AdamWGroup{.learning_rate_scale = name.starts_with("blocks.1.") ? 1 : 0.5,
                          .decays = name.ends_with("weight")};
      };
    options.epochs = of.small() ? 1 : 2;
    options.batch_size = of.batch_tokens > 0 ? 8 : of.batch_size;
    options.batch_tokens = of.batch_tokens;
    options.group_by_length = of.group_by_length;
    options.accumulation_steps = of.accumulation_steps;
    options.eval_every = 3;
    options.eval_batches = 5;
    options.max_steps = max_steps;
    options.schedule.peak = of.learning_rate;
    options.keep_best = "loss";
    options.adamw.max_grad_norm = 0.5;
    options.adamw.late_tables = of.late_tables;
    trainer_ = std::make_unique<Trainer>(
        *model_, [this](const TokenBatch& batch, const ForwardPass& pass) { return logits(batch, pass); }, of.task,
        TrainData{examples_,
                  validation_,
                  {.max_length = 24, .pad_id = 99, .packed = of.packed, .mask = true},
                  of.device,
                  processes},
        options);
  }
  void restore(const RunState& state) { trainer_->restore(state); }
  void run() {
    trainer_->run(recorder_, [] { return false; });
  }
  RunState state() const { return trainer_->state(); }
  bool has_late_rows() const {
    return std::ranges::any_of(parameters_of(*model_),
                               [](const NamedParameter& named) { return named.parameter.late_rows() != nullptr; });
  }
  /// Its state from a file, as all ranks read it.
  RunState saved(Communicator& processes) const {
    const TempDir folder;
    const std::string file = processes.gather(folder / "state").front();
    trainer_->save_state([&](const RunState& state) { write_run_state(file, state); });
    RunState out = read_run_state(file);
    processes.gather({});  // the file stays until all have read it
    return out;
  }
  const Recorder& recorder() const { return recorder_; }
  Trainer& trainer() { return *trainer_; }
  const Trainer& trainer() const { return *trainer_; }
  /// From now on the logits are not finite.
  void spoil() { spoilt_ = true; }
  Evaluation evaluate() { return trainer_->evaluate_all(validation_, false, {}); }
  std::vector<float> weights() const {
    std::vector<float> out;
    for (const auto& [name, parameter] : parameters_of(*model_)) {
      const Tensor values = parameter.value().to(Device::kCpu);
      out.insert(out.end(), values.values<float>().begin(), values.values<float>().end());
    }
    return out;
  }

 private:
  static Dataset labelled(Dataset examples, std::int32_t label) {
    if (label >= 0) std::ranges::fill(examples.labels.values<std::int32_t>(), label);
    return examples;
  }
  Variable logits(const TokenBatch& batch, const ForwardPass& pass) const {
    if (!spoilt_) return model_->forward(batch, pass);
    const std::int64_t texts = batch.lengths.numel();
    return Variable(Tensor::from(std::vector<float>(static_cast<std::size_t>(2 * texts), NAN), {texts, 2}));
  }

  const Dataset examples_, validation_;
  std::unique_ptr<Gpt2Classifier> model_;
  bool spoilt_ = false;
  std::unique_ptr<Trainer> trainer_;
  Recorder recorder_;
};

inline void expect_near(const Recorder& shared, const Recorder& alone) {
  ASSERT_EQ(shared.steps.size(), alone.steps.size());
  for (std::size_t i = 0; i < alone.steps.size(); ++i) {
    EXPECT_NEAR(shared.steps[i].loss, alone.steps[i].loss, 1e-6) << "step " << i;
    EXPECT_EQ(shared.steps[i].learning_rate, alone.steps[i].learning_rate);
    ASSERT_EQ(shared.steps[i].grad_norm.has_value(), alone.steps[i].grad_norm.has_value());
    const double norm = alone.steps[i].grad_norm.value_or(0);  // float32 gradients: their error grows with them
    EXPECT_NEAR(shared.steps[i].grad_norm.value_or(0), norm, std::max(1e-5, 1e-6 * norm));
  }
  ASSERT_EQ(shared.evaluations.size(), alone.evaluations.size());
  for (std::size_t i = 0; i < alone.evaluations.size(); ++i) {
    EXPECT_NEAR(shared.evaluations[i].train_loss, alone.evaluations[i].train_loss, 1e-6) << i;
    EXPECT_NEAR(shared.evaluations[i].validation_loss, alone.evaluations[i].validation_loss, 1e-6) << i;
    EXPECT_NEAR(shared.evaluations[i].measure->value, alone.evaluations[i].measure->value, 1e-6) << i;
  }
  ASSERT_EQ(shared.epochs.size(), alone.epochs.size());
}

}  // namespace attune::testing
