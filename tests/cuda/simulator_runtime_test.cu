// Streams, events and graphs of the simulated device: work is late, ordered within a stream and only there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/platform.cuh"
#include "tests/cuda/device_array.h"

namespace attune {
namespace {

using testing::DeviceArray;

__global__ void add_kernel(float* x, float value) {
  device::store_global(x, device::load_global(x) + value);
}
__global__ void double_kernel(float* x) {
  device::store_global(x, device::load_global(x) * 2);
}

void add(float* x, float value, const cuda::Stream& stream) {
  cuda::launch("add", add_kernel, {1}, {1}, 0, stream, x, value);
}
void twice(float* x, const cuda::Stream& stream) {
  cuda::launch("double", double_kernel, {1}, {1}, 0, stream, x);
}

TEST(SimulatorRuntime, WorkIsDoneWhenWaitedFor) {
  DeviceArray<float> x(std::vector<float>{1});
  const cuda::Stream stream;
  float early = -1;
  add(x.data(), 1, stream);
  cuda::copy_to_host(&early, x.data(), sizeof early, stream);
  EXPECT_EQ(early, -1.0f);  // a result read before synchronize() is not there
  stream.synchronize();
  EXPECT_EQ(early, 2.0f);
}

TEST(SimulatorRuntime, StreamsAreUnorderedWithoutEvents) {
  DeviceArray<float> x(std::vector<float>{1});
  const cuda::Stream first, second;
  add(x.data(), 1, first);
  twice(x.data(), second);
  second.synchronize();
  first.synchronize();
  EXPECT_EQ(x.host()[0], 3.0f);  // 1 * 2 + 1: second did not wait

  cuda::Event event;
  add(x.data(), 1, first);
  event.record(first);
  add(x.data(), 100, first);
  second.wait(event);
  twice(x.data(), second);
  second.synchronize();
  EXPECT_EQ(x.host()[0], 8.0f);  // (3 + 1) * 2; what first did after the event is still to come
  first.synchronize();
  EXPECT_EQ(x.host()[0], 108.0f);
}

TEST(SimulatorRuntime, GraphsRecordAndReplay) {
  DeviceArray<float> x(std::vector<float>{1});
  const cuda::Stream stream;
  stream.begin_capture();
  add(x.data(), 1, stream);
  {
    const cuda::Scratch scratch(4, stream);
    cuda::copy_on_device(scratch.as<float>(), x.data(), 4, stream);
    twice(scratch.as<float>(), stream);
    cuda::copy_on_device(x.data(), scratch.as<float>(), 4, stream);
  }
  EXPECT_THROW(stream.synchronize(), Error);
  const cuda::Graph graph = stream.end_capture();
  EXPECT_EQ(x.host()[0], 1.0f);  // capturing runs nothing
  graph.launch(stream);
  graph.launch(stream);
  stream.synchronize();
  EXPECT_EQ(x.host()[0], 10.0f);  // ((1 + 1) * 2 + 1) * 2
}

TEST(SimulatorRuntime, ACaptureForksAndMustJoin) {
  DeviceArray<float> x(std::vector<float>{1}), y(std::vector<float>{1});
  const cuda::Stream stream, aside(cuda::Priority::kSecond);
  const auto record = [&](bool join) {
    stream.begin_capture();
    add(x.data(), 1, stream);
    cuda::Event ready, done;
    ready.record(stream);
    aside.wait(ready);
    EXPECT_TRUE(aside.capturing());
    add(y.data(), 10, aside);
    done.record(aside);
    if (join) stream.wait(done);
    return stream.end_capture();
  };
  const cuda::Graph graph = record(true);
  EXPECT_FALSE(aside.capturing());
  graph.launch(stream);
  stream.synchronize();
  EXPECT_EQ(x.host()[0], 2.0f);
  EXPECT_EQ(y.host()[0], 11.0f);
  EXPECT_THROW(record(false), Error);
}

TEST(SimulatorRuntime, CopiesStayInsideDeviceMemory) {
  DeviceArray<float> x(4);
  std::vector<float> host(8);
  const cuda::Stream stream;
  cuda::copy_to_host(host.data(), x.data(), 5 * sizeof(float), stream);
  EXPECT_THROW(stream.synchronize(), simulated::SimulatorFault);
  cuda::copy_to_device(x.data(), host.data(), 5 * sizeof(float), stream);
  EXPECT_THROW(stream.synchronize(), simulated::SimulatorFault);
  cuda::set_zero(host.data(), 4, stream);
  EXPECT_THROW(stream.synchronize(), simulated::SimulatorFault);
}

TEST(SimulatorRuntime, MustBeAskedFor) {
  const char* asked = std::getenv("ATTUNE_SIMULATE_GPU");
  const std::string before = asked == nullptr ? "" : asked;
  unsetenv("ATTUNE_SIMULATE_GPU");
  EXPECT_FALSE(cuda::available());
  EXPECT_THROW(kernels::CudaContext(), Error);
  setenv("ATTUNE_SIMULATE_GPU", "1", 1);
  EXPECT_TRUE(cuda::available());
  kernels::CudaContext();
  setenv("ATTUNE_SIMULATE_GPU", before.c_str(), 1);
}

TEST(SimulatorRuntime, ConstantsDoNotPileUp) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const kernels::CudaContext context;
  const int kept = 12345;
  context.stream().begin_capture();
  const void* captured = context.constant(std::as_bytes(std::span(&kept, 1)));
  const cuda::Graph graph = context.stream().end_capture();
  for (int i = 0; i < 200; ++i) context.constant(std::as_bytes(std::span(&i, 1)));
  EXPECT_EQ(context.constant(std::as_bytes(std::span(&kept, 1))), captured);  // a graph may still read it
}

TEST(SimulatorRuntime, EqualConstantsShareOneCopy) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  const kernels::CudaContext context;
  const std::vector<int> a{1, 2, 3}, b{1, 2, 4};
  const void* first = context.constant(std::as_bytes(std::span(a)));
  EXPECT_EQ(context.constant(std::as_bytes(std::span(a))), first);
  EXPECT_NE(context.constant(std::as_bytes(std::span(b))), first);
}

}  // namespace
}  // namespace attune
