// Training runs through kernels/cuda/nvidia on the fake CUDA runtime: the simulated device's bits, and each call of the
// runtime and of cuBLASLt fails once.
#include <cstdio>

#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "tests/cuda/nvidia_fixture.h"
#include "tests/engine/train/device_run.h"

namespace attune::testing {
namespace {

std::vector<std::string> simulated_weights() {
  std::vector<std::string> out;
  FILE* program = popen("ATTUNE_SIMULATE_GPU=1 " ATTUNE_DEVICE_WEIGHTS, "r");
  std::string line;
  for (int c; program != nullptr && (c = std::fgetc(program)) != EOF;) {
    if (c == '\n')
      out.push_back(std::exchange(line, {}));
    else
      line.push_back(static_cast<char>(c));
  }
  EXPECT_EQ(pclose(program), 0);
  return out;
}

std::string text_of(const std::vector<double>& values) {
  std::string out;
  char text[64];
  for (const double value : values) {
    std::snprintf(text, sizeof text, "%a ", value);
    out += text;
  }
  return out;
}

// The weights after each of device_runs().
const std::vector<std::string>& weights() {
  static const std::vector<std::string> out = [] {
    std::vector<std::string> texts;
    for (const DeviceRunOptions& how : device_runs()) texts.push_back(text_of(device_run(how)));
    return texts;
  }();
  return out;
}

class NvidiaRun : public NvidiaTest {
 protected:
  void warm_up() override {  // the contexts of the process, their plans of products and tables
    weights();
    release_cuda_memory();
  }
  std::size_t tables() const override { return 64; }
};

TEST_F(NvidiaRun, HasTheBitsOfTheSimulatedDevice) {
  EXPECT_STREQ(cuda::backend_name(), "nvidia");
  EXPECT_EQ(weights(), simulated_weights());
}

TEST_F(NvidiaRun, EachFailingCallIsReportedAndLeavesNothing) {
  const DeviceRunOptions how{.evaluations = false, .epochs = 1};
  const std::vector<double> expected = device_run(how);
  const std::size_t in_use = cuda::arena_use().in_use;
  fake_cuda::set_compute(false);
  release_cuda_memory();  // new memory is zero
  for (const DeviceRunOptions& form :
       {how, DeviceRunOptions{.dtype = DType::kBFloat16, .packed = true, .graphs = false, .epochs = 1}}) {
    const auto run = [&] {
      device_run(form);
      EXPECT_EQ(cuda::arena_use().in_use, in_use);
    };
    EXPECT_EQ(unreported_failures(run, [](const std::string&) { return false; }), std::vector<std::string>{});
  }

  // Each allocation, and those that are tried instead of it.
  const auto runs_out_of_memory = [&](std::int64_t at) {
    release_cuda_memory();
    fake_cuda::fail_calls_from("cudaMalloc", at);
    try {
      device_run(how);
    } catch (const OutOfMemory& error) {
      EXPECT_EQ(std::string(error.what()).find("out of memory: "), 0u) << error.what();
      EXPECT_EQ(cuda::arena_use().in_use, in_use);
      return true;
    }
    return false;
  };
  std::int64_t allocations = 1;
  while (runs_out_of_memory(allocations)) ++allocations;
  EXPECT_GT(allocations, 2);
  fake_cuda::fail_call("", 0);
  release_cuda_memory();
  fake_cuda::set_compute(true);
  EXPECT_EQ(device_run(how), expected) << "after the failures";
}

}  // namespace
}  // namespace attune::testing
