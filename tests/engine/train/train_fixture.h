// A tiny GPT and invented examples for it to learn.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/train/trainer.h"
#include "models/gpt2/gpt2.h"

namespace attune::testing {

/// `count` examples of up to `longest` random tokens below `vocabulary`, with random labels of two classes.
inline Dataset invented_examples(std::size_t count, std::uint32_t longest, std::uint32_t vocabulary,
                                 std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<std::int32_t>> examples;
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::int32_t>& ids = examples.emplace_back(1 + random() % longest);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % vocabulary);
    labels.push_back(static_cast<std::int32_t>(random() % 2));
  }
  return Dataset::from("invented", examples, Tensor::from(labels, {static_cast<std::int64_t>(count)}));
}

inline Gpt2Config tiny_config() {
  return {.vocab_size = 12, .n_positions = 6, .n_embd = 8, .n_layer = 1, .n_head = 2, .n_inner = 16};
}

/// The same with two layers, twice as wide, and dropout.
inline Gpt2Config small_config() {
  Gpt2Config config{.vocab_size = 31, .n_positions = 12, .n_embd = 16, .n_layer = 2, .n_head = 2, .n_inner = 32};
  config.embd_pdrop = config.attn_pdrop = config.resid_pdrop = 0.1F;
  return config;
}

/// The task of invented_examples().
inline const Task& two_classes() {
  static const std::unique_ptr<Task> task = make_task("single_label_classification", {.outputs = 2});
  return *task;
}

/// Keeps everything a run tells.
class Recorder : public TrainObserver {
 public:
  void begin(std::int64_t step, std::int64_t total_steps) override {
    first = step;
    total = total_steps;
  }
  void step(const StepRecord& record) override { steps.push_back(record); }
  void evaluation(const EvaluationRecord& record) override { evaluations.push_back(record); }
  void epoch(const EpochRecord& record) override { epochs.push_back(record); }

  std::int64_t first = -1, total = -1;
  std::vector<StepRecord> steps;
  std::vector<EvaluationRecord> evaluations;
  std::vector<EpochRecord> epochs;
};

/// The losses of all steps.
inline std::vector<double> losses_of(const Recorder& recorder) {
  std::vector<double> out;
  for (const StepRecord& record : recorder.steps) out.push_back(record.loss);
  return out;
}

/// A model with GPT-2's random start.
inline std::unique_ptr<Gpt2Classifier> started_model(const Gpt2Config& config, DType dtype) {
  auto model = std::make_unique<Gpt2Classifier>(config, Gpt2Options{.position = HeadPosition::kMean, .dtype = dtype});
  TorchGenerator generator(1);
  model->initialize(generator, Initializer::kGpt2);
  model->initialize_head(generator);
  return model;
}

/// The bytes of all parameters, and of what they were rounded from.
inline std::vector<std::byte> bits_of(const Module& model) {
  std::vector<std::byte> out;
  for (const auto& [name, parameter] : parameters_of(model))
    for (const Tensor& x : {parameter.value(), parameter.master()}) {
      if (!x.defined()) continue;
      const Tensor host = x.to(Device::kCpu);
      const auto* bytes = static_cast<const std::byte*>(host.raw());
      out.insert(out.end(), bytes, bytes + host.bytes());
    }
  return out;
}

/// Such a model with its trainer; both splits are the same examples.
class TinyRun {
 public:
  TinyRun(const Gpt2Config& config, Dataset split, const TrainOptions& options, DType dtype = DType::kFloat32,
          bool packed = false, const Task& task = two_classes())
      : examples(std::move(split)),
        model(started_model(config, dtype)),
        trainer(
            *model, [this](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
            task,
            {examples,
             examples,
             {.max_length = config.n_positions,
              .pad_id = static_cast<std::int32_t>(config.vocab_size - 1),
              .packed = packed}},
            options) {}

  bool run(const std::function<bool()>& stop = [] { return false; }) { return trainer.run(recorder, stop); }
  /// All parameters, one after the other.
  std::vector<double> weights() const {
    std::vector<double> out;
    for (const auto& [name, parameter] : parameters_of(*model)) {
      const Tensor values = parameter.value().cast(DType::kFloat64);
      out.insert(out.end(), values.values<double>().begin(), values.values<double>().end());
    }
    return out;
  }

  const Dataset examples;  // the trainer keeps a reference
  std::unique_ptr<Gpt2Classifier> model;
  Trainer trainer;
  Recorder recorder;
};

/// Trains a model that has a parameter which it does not use: the error, if there is one, and the steps that were reported.
inline std::pair<std::string, std::size_t> careless_run(Device device, bool frozen, TrainOptions options) {
  struct Careless : Module {
    void for_each_parameter(const Visitor& visit) const override {
      model->for_each_parameter(visit);
      visit("head.ignored", ignored);
    }
    std::unique_ptr<Gpt2Classifier> model = started_model(tiny_config(), DType::kFloat32);
    Parameter ignored{Tensor::zeros({3}, DType::kFloat32), Parameter::Rounding::kNever};
  };
  const Careless careless;
  careless.ignored.set_requires_grad(!frozen);
  place(careless, device, DType::kFloat32);
  const Dataset examples = invented_examples(16, 6, 11, 3);
  options.batch_size = 4;
  options.adamw.late_tables = LateTables::kAll;
  Trainer trainer(
      careless, [&](const TokenBatch& batch, const ForwardPass& pass) { return careless.model->forward(batch, pass); },
      two_classes(), {examples, examples, {.max_length = 6, .pad_id = 11}, device}, options);
  Recorder recorder;
  std::string error;
  try {
    trainer.run(recorder, [] { return false; });
  } catch (const Error& found) {
    error = found.what();
  }
  return {error, recorder.steps.size()};
}

}  // namespace attune::testing
