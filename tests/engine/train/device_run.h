// A short training run on the device, for tests that look at every call of it.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/train/train_fixture.h"

namespace attune::testing {

struct DeviceRunOptions {
  DType dtype = DType::kFloat32;
  bool packed = false, graphs = true, evaluations = true;
  std::int64_t epochs = 2;
};

/// The weights after epochs of three steps, captured where a shape comes again. Throws what the device throws.
inline std::vector<double> device_run(const DeviceRunOptions& how = {}) {
  const auto model = started_model(tiny_config(), DType::kFloat32);
  place(*model, Device::kCuda, how.dtype);
  const Dataset examples = invented_examples(6, 5, 11, 3);
  TrainOptions options;
  options.epochs = how.epochs;
  options.batch_size = 2;
  options.eval_every = how.evaluations ? 3 : 0;
  options.eval_batches = 1;
  options.graphs = how.graphs;
  options.schedule = {.kind = LrSchedule::Kind::kConstant, .peak = 1e-2};
  options.adamw.max_grad_norm = 1;
  options.ema_decay = 0.9;
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(),
      {examples, examples, {.max_length = 6, .pad_id = 11, .packed = how.packed, .mask = true}, Device::kCuda},
      options);
  Recorder recorder;
  trainer.run(recorder, [] { return false; });
  trainer.use_result();
  EXPECT_EQ(trainer.graphs() > 0, how.graphs);
  std::vector<double> out;
  for (const auto& [name, parameter] : parameters_of(*model)) {
    const Tensor values = parameter.exact().to(Device::kCpu).cast(DType::kFloat64);
    out.insert(out.end(), values.values<double>().begin(), values.values<double>().end());
  }
  return out;
}

/// The runs that differ in what the device does.
inline std::vector<DeviceRunOptions> device_runs() {
  return {{.packed = false},
          {.packed = true, .graphs = false, .epochs = 1},
          {.dtype = DType::kBFloat16, .packed = true, .epochs = 1},
          {.dtype = DType::kBFloat16, .graphs = false, .epochs = 1}};
}

}  // namespace attune::testing
