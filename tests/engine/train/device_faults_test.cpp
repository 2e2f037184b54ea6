// Each call of the simulated device fails once, in turn, in a short training run: an allocation, a copy, a capture, a
// launch. The run ends with one clear line, gives all device memory back, and the next run is undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/tensor/context.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "models/classifier.h"
#include "tests/engine/train/train_fixture.h"

namespace attune::testing {
namespace {

using simulated::Call;

// The weights after two epochs of three steps, captured where a shape comes again. Throws what the device throws.
std::vector<double> device_run() {
  const auto model = started_model(tiny_config(), DType::kFloat32);
  place(*model, Device::kCuda, DType::kFloat32);
  const Dataset examples = invented_examples(6, 5, 11, 3);
  TrainOptions options;
  options.epochs = 2;
  options.batch_size = 2;
  options.eval_every = 3;
  options.eval_batches = 1;
  options.schedule = {.kind = LrSchedule::Kind::kConstant, .peak = 1e-2};
  options.adamw.max_grad_norm = 1;
  options.ema_decay = 0.9;
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(), {examples, examples, {.max_length = 6, .pad_id = 11}, Device::kCuda}, options);
  Recorder recorder;
  trainer.run(recorder, [] { return false; });
  trainer.use_result();
  EXPECT_GT(trainer.graphs(), 0);
  std::vector<double> out;
  for (const auto& [name, parameter] : parameters_of(*model)) {
    const Tensor values = parameter.exact().to(Device::kCpu).cast(DType::kFloat64);
    out.insert(out.end(), values.values<double>().begin(), values.values<double>().end());
  }
  return out;
}

// At most 10 of the calls: the first, the last, and others between them.
std::set<std::int64_t> chosen(std::int64_t calls) {
  std::set<std::int64_t> out;
  for (std::int64_t i = 0; i < 10; ++i) out.insert(1 + i * (calls - 1) / 9);
  return out;
}

TEST(DeviceFaults, EachFailingCallEndsTheRunWithALineAndLeavesNoMemory) {
  const std::vector<double> expected = device_run();
  const std::size_t in_use = cuda::arena_use().in_use;
  for (const Call call : {Call::kAllocation, Call::kPinned, Call::kCopy, Call::kCapture, Call::kLaunch}) {
    simulated::fail_call(call, 0);
    ASSERT_EQ(device_run(), expected);
    const std::int64_t calls = simulated::calls(call);
    ASSERT_GT(calls, 0) << static_cast<int>(call);
    std::int64_t survived = 0;
    const std::set<std::int64_t> tried = chosen(calls);
    for (const std::int64_t at : tried) {
      SCOPED_TRACE(str_cat("kind ", static_cast<int>(call), ", call ", at, " of ", calls));
      simulated::fail_call(call, at);
      std::string message;
      try {
        device_run();
      } catch (const Error& error) {
        message = error.what();
        const bool memory = call == Call::kAllocation || call == Call::kPinned;
        EXPECT_EQ(dynamic_cast<const OutOfMemory*>(&error) != nullptr, memory);
      }
      simulated::fail_call(call, 0);
      EXPECT_NE(message.find("as a test asks for"), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos);
      EXPECT_EQ(cuda::arena_use().in_use, in_use);
      if (!HasFailure()) ++survived;
    }
    EXPECT_EQ(device_run(), expected) << "after the failures";
    std::printf("kind %d: tried %zu of %lld, survived %lld\n", static_cast<int>(call), tried.size(),
                static_cast<long long>(calls), static_cast<long long>(survived));
  }
}

}  // namespace
}  // namespace attune::testing
