// Runs on GPUs that exchange gradients, through kernels/cuda/nvidia on the fake CUDA runtime, whose graphs run their nodes
// in any order that their edges allow: a missing one between backward, exchanges and the update is found.
//
// There is one process. The other rank is its mirror: it has the same gradients.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/comm/device_exchange.h"
#include "kernels/cuda/device_info.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"

namespace attune::testing {
namespace {

class Mirror : public Communicator {
 public:
  int rank() const override { return 0; }
  int world() const override { return 2; }
  Ticket start_sum(std::span<float> values, std::shared_ptr<const void>) override {
    for (float& value : values) value += value;
    return 0;
  }
  Ticket start_sum_of_parts(std::span<float> values, std::shared_ptr<const void> owner) override {
    return start_sum(values, std::move(owner));
  }
  Ticket start_share(std::span<std::byte>, std::shared_ptr<const void>) override { return 0; }
  void wait(Ticket) override {}
  std::vector<std::string> gather(std::string_view bytes) override { return {std::string(bytes), std::string(bytes)}; }
};

// The mirror sends what this rank has for itself, and gets the other part, whose sum it sends back.
class MirrorExchange : public DeviceExchange {
 public:
  int rank() const override { return 0; }
  int world() const override { return 2; }
  void exchange(const void* send, void* receive, std::size_t bytes, void* stream) override {
    put(stream, [this, bytes, from = static_cast<const char*>(send), to = static_cast<char*>(receive)] {
      std::memcpy(to, from, bytes);
      std::memcpy(to + bytes, from, bytes);
      of_mirror_.resize(bytes / sizeof(float));
      std::memcpy(of_mirror_.data(), from + bytes, bytes);
      for (float& value : of_mirror_) value += value;
    });
    ++exchanges;
  }
  void gather(void* values, std::size_t bytes, void* stream) override {
    put(stream, [this, bytes, to = static_cast<char*>(values)] {
      if (bytes == sizeof(float))  // a loss
        std::memcpy(to + bytes, to, bytes);
      else
        std::memcpy(to + bytes, of_mirror_.data(), bytes);
    });
  }
  std::string failure() override { return {}; }
  void abort() override {}

  int exchanges = 0;

 private:
  static void put(void* stream, fake_cuda::Task task) {
    EXPECT_EQ(fake_cuda::put(static_cast<cudaStream_t>(stream), std::move(task)), cudaSuccess);
  }
  std::vector<float> of_mirror_;
};

struct Result {
  std::vector<double> losses;
  std::vector<float> weights;
  std::int64_t graphs = 0;
};

Result run(DeviceExchange* devices, bool graphs) {
  Mirror mirror;
  const Gpt2Config config{
      .vocab_size = 12, .n_positions = 6, .n_embd = 8, .n_layer = 2, .n_head = 2, .n_inner = 16, .embd_pdrop = 0.1f};
  const Dataset examples = invented_examples(80, 6, 11, 3);
  const auto model = started_model(config, DType::kFloat32);
  place(*model, Device::kCuda, DType::kFloat32);
  TrainOptions options;
  options.batch_size = 8;
  options.eval_every = 0;
  options.eval_batches = 1;
  options.schedule.peak = 1e-2;
  options.adamw.max_grad_norm = 0.5;
  options.graphs = graphs;
  options.exchange_bucket = 400;
  Trainer trainer(
      *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); },
      two_classes(),
      {.train = examples,
       .validation = examples,
       .form = {.max_length = 6, .pad_id = 11, .packed = true},
       .device = Device::kCuda,
       .processes = mirror,
       .devices = devices},
      options);
  Recorder recorder;
  trainer.run(recorder, [] { return false; });
  Result out{.losses = losses_of(recorder), .weights = {}, .graphs = trainer.graphs()};
  for (const auto& [name, parameter] : parameters_of(*model)) {
    const Tensor values = parameter.value().to(Device::kCpu);
    out.weights.insert(out.weights.end(), values.values<float>().begin(), values.values<float>().end());
  }
  return out;
}

TEST(NvidiaShared, RunsHaveTheBitsOfSumsOnTheHostWithAndWithoutGraphs) {
  ASSERT_STREQ(cuda::backend_name(), "nvidia");
  const Result hosts = run(nullptr, true);
  EXPECT_EQ(hosts.graphs, 0);
  for (const bool graphs : {false, true}) {
    MirrorExchange mirror;
    const Result devices = run(&mirror, graphs);
    EXPECT_GT(mirror.exchanges, 5);
    EXPECT_EQ(devices.graphs > 0, graphs);
    EXPECT_EQ(devices.losses, hosts.losses) << graphs;
    EXPECT_EQ(devices.weights, hosts.weights) << graphs;
  }
  EXPECT_EQ(fake_cuda::take_mistakes(), std::vector<std::string>{});
}

}  // namespace
}  // namespace attune::testing
