// Streams, graphs and launches of kernels/cuda/nvidia, and what the context keeps on the device.
#include "kernels/cuda/nvidia/launch.cuh"

#include <cuda_runtime_api.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream_state.h"
#include "tests/cuda/nvidia_fixture.h"
#include "tests/fake_cuda/launches.h"
#include "tests/support/message_of.h"

namespace attune {
namespace {

void add_kernel(float* x, float value) {
  *x += value;
}
void double_kernel(float* x) {
  *x *= 2;
}
void fault_kernel(float*) {
  throw Error("a kernel reads where nothing is");
}

class NvidiaStream : public testing::NvidiaTest {
 protected:
  void warm_up() override {
    fake_cuda::register_function(add_kernel);
    fake_cuda::register_function(double_kernel);
    fake_cuda::register_function(fault_kernel);
  }
  static void add(const cuda::Buffer& x, float value, const cuda::Stream& stream) {
    cuda::launch("add", add_kernel, {1}, {1}, 0, stream, static_cast<float*>(x.data()), value);
  }
  static void twice(const cuda::Buffer& x, const cuda::Stream& stream) {
    cuda::launch("double", double_kernel, {1}, {1}, 0, stream, static_cast<float*>(x.data()));
  }
  static void set(const cuda::Buffer& x, float value, const cuda::Stream& stream) {
    cuda::copy_to_device(x.data(), &value, sizeof value, stream);
  }
  static float value_of(const cuda::Buffer& x, const cuda::Stream& stream) {
    float out = 0;
    cuda::copy_to_host(&out, x.data(), sizeof out, stream);
    stream.synchronize();
    return out;
  }
};

TEST_F(NvidiaStream, LaunchesRunInOrderAndEventsOrderStreams) {
  const cuda::Stream first, second(cuda::Priority::kSecond);
  const cuda::Buffer x(4);
  set(x, 1, first);
  add(x, 1, first);
  cuda::Event added;
  added.record(first);
  second.wait(added);
  twice(x, second);
  EXPECT_EQ(value_of(x, second), 4.0f);
  add(x, 1, first);
  cuda::Event begin, end;
  begin.record(first);
  twice(x, first);
  end.record(first);
  end.synchronize();
  EXPECT_GT(cuda::Event::elapsed_ms(begin, end), 0);
  EXPECT_EQ(value_of(x, first), 10.0f);
}

TEST_F(NvidiaStream, GraphsReplayWhatWasRecordedWithTheBytesOfThen) {
  const cuda::Stream stream, aside(cuda::Priority::kSecond);
  const cuda::Buffer x(4), y(4);
  set(y, 100, stream);
  stream.begin_capture();
  {
    float value = 3;
    cuda::copy_to_device(x.data(), &value, sizeof value, stream);
    value = 4;  // the copy has read it
  }
  cuda::Event ready, done;
  ready.record(stream);
  aside.wait(ready);
  EXPECT_TRUE(aside.capturing());
  add(y, 1, aside);
  done.record(aside);
  twice(x, stream);
  stream.wait(done);
  std::optional<cuda::Graph> graph = stream.end_capture();
  EXPECT_FALSE(aside.capturing());
  for (int i = 1; i <= 3; ++i) {
    graph->launch(stream);
    EXPECT_EQ(value_of(x, stream), 6.0f);
    EXPECT_EQ(value_of(y, stream), 100.0f + static_cast<float>(i));
  }
  graph->launch(stream);
  graph.reset();  // while it runs
  EXPECT_EQ(value_of(y, stream), 104.0f);
}

TEST_F(NvidiaStream, TheMemoryOfAGraphStaysWithIt) {
  const cuda::Stream stream;
  const cuda::Buffer x(4);
  set(x, 1, stream);
  stream.begin_capture();
  {
    const cuda::Scratch scratch(4, stream);
    cuda::copy_on_device(scratch.as<void>(), x.data(), 4, stream);
    cuda::copy_on_device(x.data(), scratch.as<void>(), 4, stream);
  }
  std::optional<cuda::Graph> graph = stream.end_capture();
  cuda::arena_release();
  graph->launch(stream);
  EXPECT_EQ(value_of(x, stream), 1.0f);
  EXPECT_GT(cuda::arena_use().reserved, 0u);
  graph.reset();
  cuda::arena_release();
  EXPECT_EQ(cuda::arena_use().reserved, 0u);
}

TEST_F(NvidiaStream, ACaptureThatIsNotJoinedOrIsInvalidEndsWithAnError) {
  const cuda::Stream stream, aside(cuda::Priority::kSecond);
  const cuda::Buffer x(4);
  const auto fork = [&] {
    stream.begin_capture();
    cuda::Event ready;
    ready.record(stream);
    aside.wait(ready);
    add(x, 1, aside);
  };
  fork();
  EXPECT_EQ(testing::message_of([&] { stream.end_capture(); }),
            "cuda: cudaStreamEndCapture(state_->stream, &graph->graph): capturing stream has unjoined work");
  stream.begin_capture();
  const cudaError_t status = cudaDeviceSynchronize();  // no capture survives it
  EXPECT_EQ(status, cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(
      testing::message_of([&] { stream.end_capture(); }),
      "cuda: cudaStreamEndCapture(state_->stream, &graph->graph): operation failed due to a previous error during "
      "capture");
  fork();
  EXPECT_THROW(stream.synchronize(), Error);
  EXPECT_THROW(stream.begin_capture(), Error);
  stream.abandon_capture();
  EXPECT_FALSE(aside.capturing());
  set(x, 1, aside);
  EXPECT_EQ(value_of(x, aside), 1.0f);
}

TEST_F(NvidiaStream, AFaultNamesTheLatestKernels) {
  const cuda::Stream stream;
  const cuda::Buffer x(4);
  set(x, 1, stream);
  add(x, 1, stream);
  cuda::launch("fault", fault_kernel, {1}, {1}, 0, stream, static_cast<float*>(x.data()));
  EXPECT_EQ(testing::message_of([&] { stream.synchronize(); }),
            "cuda: work on the gpu failed: an illegal memory access was encountered; the latest kernels were fault, "
            "add (run again with ATTUNE_CUDA_SYNC=1 and --no_graphs to learn which one it is)");
  EXPECT_EQ(fake_cuda::take_mistakes(), std::vector<std::string>{"a kernel reads where nothing is"});
  fake_cuda::recover();
}

TEST_F(NvidiaStream, LaunchesThatNoDeviceTakesNameTheKernel) {
  const cuda::Stream stream;
  const cuda::Buffer x(4);
  const auto launch = [&](cuda::Dim3 block, std::size_t shared) {
    return testing::message_of(
        [&] { cuda::launch("add", add_kernel, {1}, block, shared, stream, static_cast<float*>(x.data()), 1.0f); });
  };
  EXPECT_EQ(launch({2048}, 0), "cuda: kernel add: invalid configuration argument");
  EXPECT_EQ(launch({1}, 200 << 10), "cuda: kernel add needs 204800 bytes of shared memory, the gpu grants 166912");
  EXPECT_EQ(launch({1}, 100 << 10), "");  // asked for
  fake_cuda::fail_call("cudaLaunchKernel", 1, cudaErrorNoKernelImageForDevice);
  EXPECT_NE(launch({1}, 0).find("this build has no kernels for fake device, of compute capability 8.0"),
            std::string::npos);
  stream.synchronize();
}

// What the tests of failing calls must find.
TEST_F(NvidiaStream, AnUncheckedErrorAndALeakAreFound) {
  const cuda::Stream stream;
  const cuda::Buffer x(4);
  const auto never = [](const std::string&) { return false; };
  const auto careless = [&] { static_cast<void>(cudaMemsetAsync(x.data(), 0, 4, stream.state().stream)); };
  EXPECT_EQ(testing::unreported_failures(careless, never),
            std::vector<std::string>{"unchecked error: cudaMemsetAsync, call 1 of 1: "});
  cudaEvent_t leaked = nullptr;
  const auto leaky = [&] {
    cudaEvent_t event = nullptr;
    CUDA_CHECK(cudaEventCreate(&event));
    leaked = event;
    CUDA_CHECK(cudaEventRecord(event, stream.state().stream));
    CUDA_CHECK(cudaEventDestroy(event));
  };
  const std::vector<std::string> found = testing::unreported_failures(leaky, never);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].find("leak: cudaEventRecord, call 2 of 3"), 0u) << found[0];
  CUDA_CHECK(cudaEventDestroy(leaked));
}

// A graph takes memory of its own: what the arena keeps for reuse makes room.
TEST_F(NvidiaStream, AGraphThatDoesNotFitGetsTheArenasRoom) {
  const cuda::Stream stream;
  const cuda::Buffer x(4);
  set(x, 1, stream);
  const auto keep = [&] { cuda::arena_free(cuda::arena_allocate(4, stream), stream); };
  const auto captured = [&] {
    stream.begin_capture();
    add(x, 1, stream);
    return stream.end_capture();
  };
  keep();
  fake_cuda::fail_call("cudaGraphInstantiate", 1, cudaErrorMemoryAllocation);
  {
    const cuda::Graph graph = captured();
    EXPECT_EQ(cuda::arena_use().reserved, 0u);
    keep();
    fake_cuda::fail_call("cudaGraphLaunch", 1, cudaErrorMemoryAllocation);
    graph.launch(stream);
    EXPECT_EQ(cuda::arena_use().reserved, 0u);
    EXPECT_EQ(value_of(x, stream), 2.0f);
  }
  fake_cuda::fail_call("cudaGraphInstantiate", 1, cudaErrorUnknown);
  EXPECT_EQ(testing::message_of(captured), "cuda: cudaGraphInstantiate: another error");
}

// A table that changes at every step, as where no step is captured, costs neither an allocation nor a wait.
TEST_F(NvidiaStream, ATableThatChangesCostsNoAllocationAndNoWait) {
  const kernels::CudaContext context;
  const cuda::Buffer seen(sizeof(int));
  const auto step = [&](int value) {
    const void* table = context.constant(std::as_bytes(std::span(&value, 1)));
    cuda::copy_on_device(seen.data(), table, sizeof value, context.stream());
  };
  for (int i = 0; i < 100; ++i) step(i);
  context.stream().synchronize();
  fake_cuda::fail_call("", 0);
  for (int i = 100; i < 150; ++i) step(i);
  for (const char* call :
       {"cudaMalloc", "cudaFree", "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaStreamCreateWithPriority"})
    EXPECT_EQ(fake_cuda::calls(call), 0) << call;
  int last = 0;
  cuda::copy_to_host(&last, seen.data(), sizeof last, context.stream());
  context.stream().synchronize();
  EXPECT_EQ(last, 149);
}

TEST_F(NvidiaStream, ATableOfAGraphStays) {
  const kernels::CudaContext context;
  const cuda::Buffer seen(sizeof(int));
  const auto table = [&](int value) { return context.constant(std::as_bytes(std::span(&value, 1))); };
  table(1000);  // made before the capture, on the stream
  context.stream().begin_capture();
  cuda::copy_on_device(seen.data(), table(1000), sizeof(int), context.stream());
  cuda::copy_on_device(seen.data(), table(2000), sizeof(int), context.stream());
  const cuda::Graph graph = context.stream().end_capture();
  for (int i = 0; i < 200; ++i) table(i);
  graph.launch(context.stream());
  int out = 0;
  cuda::copy_to_host(&out, seen.data(), sizeof out, context.stream());
  context.stream().synchronize();
  EXPECT_EQ(out, 2000);
  EXPECT_EQ(table(1000), table(1000));
}

using NvidiaDevice = NvidiaStream;

TEST_F(NvidiaDevice, OutOfMemoryNamesWhatWasAskedForAndFree) {
  fake_cuda::set_compute(false);
  const cuda::Stream stream;
  cuda::arena_free(cuda::arena_allocate(4, stream), stream);
  EXPECT_GT(cuda::arena_use().reserved, 0u);
  const cuda::Buffer all(cuda::device_info().total_bytes);  // the arena gives its own back
  EXPECT_EQ(cuda::arena_use().reserved, 0u);
  const std::string expected = "out of memory: 512 bytes asked for, 0 of 1073741824 free on fake device";
  EXPECT_EQ(testing::message_of([&] { cuda::allocate(512); }), expected);
  EXPECT_EQ(testing::message_of([&] { cuda::arena_allocate(512, stream); }), expected);
  fake_cuda::fail_call("cudaMallocHost", 1);
  EXPECT_THROW(cuda::pinned_allocate(std::size_t{1} << 22), OutOfMemory);
  fake_cuda::set_compute(true);
}

TEST_F(NvidiaDevice, PinnedBlocksAreUsedAgain) {
  void* block = cuda::pinned_allocate(5000);
  cuda::pinned_free(block, 5000);
  EXPECT_EQ(cuda::pinned_allocate(8192), block);
  cuda::pinned_free(block, 8192);
}

// Each kernel is waited for, so that a fault is that of the kernel it is reported for.
TEST(NvidiaDeviceDeathTest, LaunchesAreWaitedForOnRequest) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto launch = [] {
    setenv("ATTUNE_CUDA_SYNC", "1", 1);
    fake_cuda::register_function(fault_kernel);
    const cuda::Stream stream;
    const std::string said = testing::message_of(
        [&] { cuda::launch("fault", fault_kernel, {1}, {1}, 0, stream, static_cast<float*>(nullptr)); });
    std::fputs(said.c_str(), stderr);
    std::exit(0);
  };
  EXPECT_EXIT(launch(), ::testing::ExitedWithCode(0), "cuda: kernel fault: an illegal memory access was encountered");
}

// What the process finds at its first call, in a process of its own.
TEST(NvidiaDeviceDeathTest, WhyNoDeviceCanBeUsed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto reason = [](int count, int major, int status) {
    fake_cuda::set_devices(count, major, status);
    std::fputs(cuda::unavailable_reason().c_str(), stderr);
    std::exit(cuda::available() ? 0 : 3);
  };
  const auto exits = ::testing::ExitedWithCode(3);
  EXPECT_EXIT(reason(0, 8, cudaSuccess), exits, "no CUDA device can be used: this machine has none");
  EXPECT_EXIT(reason(0, 8, cudaErrorNoDevice), exits, "this machine has none");
  EXPECT_EXIT(reason(1, 7, cudaSuccess), exits, "the first has compute capability 7.0, the kernels need 8.0 or later");
  EXPECT_EXIT(reason(1, 8, cudaErrorInsufficientDriver), exits,
              "there is no NVIDIA driver, or one too old for CUDA 12.4");
  EXPECT_EXIT(reason(1, 8, cudaErrorUnknown), exits, "another error");
  EXPECT_EXIT(reason(1, 9, cudaSuccess), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace attune
