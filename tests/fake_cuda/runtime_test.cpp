// The fake runtime itself: what the CUDA programming guide forbids fails as it says, and a mistake that a GPU would
// hide is found by its name.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"
#include "tests/fake_cuda/launches.h"

namespace attune::fake_cuda {
namespace {

class FakeCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    take_mistakes();
    for (cudaStream_t* stream : {&first, &second}) create(*stream);
    ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&memory, kBytes), cudaSuccess);
    ASSERT_EQ(cudaMallocHost(&pinned, kBytes), cudaSuccess);
  }
  void TearDown() override {
    recover();
    EXPECT_EQ(take_mistakes(), std::vector<std::string>{});
    for (cudaStream_t stream : {first, second}) EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    if (memory != nullptr) {
      EXPECT_EQ(cudaFree(memory), cudaSuccess);
    }
    EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
    EXPECT_EQ(live(), Live{});
  }
  static void create(cudaStream_t& stream) {
    ASSERT_EQ(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0), cudaSuccess);
  }
  void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed) {
    ASSERT_EQ(cudaStreamBeginCapture(first, mode), cudaSuccess);
  }
  cudaError_t end() {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(first, &graph);
    EXPECT_EQ(graph != nullptr, status == cudaSuccess);
    if (graph != nullptr) {
      EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    }
    return status;
  }
  cudaError_t clear(cudaStream_t stream) { return cudaMemsetAsync(memory, 0, kBytes, stream); }
  /// Forks to the second stream.
  void fork() {
    ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(second, event, 0), cudaSuccess);
  }

  static constexpr std::size_t kBytes = 64;
  cudaStream_t first = nullptr, second = nullptr;
  cudaEvent_t event = nullptr;
  void *memory = nullptr, *pinned = nullptr;
};

TEST_F(FakeCuda, CallsThatWaitInvalidateACapture) {
  const auto invalidates = [&](const auto& call, cudaError_t expected) {
    begin();
    EXPECT_EQ(call(), expected);
    EXPECT_EQ(clear(first), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(clear(first), cudaSuccess);  // outside of a capture again
  };
  invalidates([&] { return cudaStreamSynchronize(first); }, cudaErrorStreamCaptureUnsupported);
  invalidates([&] { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported);
  const auto wait_for_event = [&] {
    EXPECT_EQ(cudaEventRecord(event, first), cudaSuccess);
    return cudaEventSynchronize(event);
  };
  invalidates(wait_for_event, cudaErrorCapturedEvent);
  begin();
  EXPECT_EQ(cudaStreamSynchronize(second), cudaSuccess);  // another stream may be waited for
  EXPECT_EQ(end(), cudaSuccess);
}

TEST_F(FakeCuda, AModeForbidsUnsafeCalls) {
  for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
    begin(mode);
    void* more = nullptr;
    EXPECT_EQ(cudaMalloc(&more, 4), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  }
  const auto other_thread = [&](cudaStreamCaptureMode mode) {
    begin(mode);
    cudaError_t status = cudaSuccess;
    std::thread([&] {
      void* more = nullptr;
      status = cudaMalloc(&more, 4);
      if (status == cudaSuccess) {
        EXPECT_EQ(cudaFree(more), cudaSuccess);
      }
    }).join();
    return status;
  };
  EXPECT_EQ(other_thread(cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(end(), cudaSuccess);
  EXPECT_EQ(other_thread(cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  begin();
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 4), cudaSuccess);
  EXPECT_EQ(cudaFree(more), cudaSuccess);
  EXPECT_EQ(end(), cudaSuccess);
}

TEST_F(FakeCuda, ForksMustBeJoined) {
  begin();
  fork();
  EXPECT_EQ(end(), cudaSuccess);  // the fork has no work yet
  begin();
  fork();
  EXPECT_EQ(clear(second), cudaSuccess);
  EXPECT_EQ(end(), cudaErrorStreamCaptureUnjoined);
  begin();
  fork();
  EXPECT_EQ(clear(second), cudaSuccess);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(second, &graph), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
}

TEST_F(FakeCuda, ACaptureDependsOnNothingOutside) {
  ASSERT_EQ(cudaEventRecord(event, second), cudaSuccess);
  begin();
  EXPECT_EQ(cudaStreamWaitEvent(first, event, 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);

  begin();
  ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(second, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(second, event, 0), cudaErrorStreamCaptureMerge);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(second, &graph), cudaErrorStreamCaptureInvalidated);

  begin();
  ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
  EXPECT_EQ(end(), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(second, event, 0), cudaErrorCapturedEvent);  // nothing that runs
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed), cudaErrorStreamCaptureUnsupported);
}

void write(int* to, int value) {
  *to = value;
}

// Of two pieces of work that nothing orders, each comes first in some replay.
TEST_F(FakeCuda, AMissingEdgeOfAGraphShows) {
  register_function(&write, 1024);
  auto* to = static_cast<int*>(memory);
  const auto launch = [&](cudaStream_t stream, int value) {
    void* arguments[] = {&to, &value};
    return cudaLaunchKernel(reinterpret_cast<const void*>(&write), {}, {}, arguments, 0, stream);
  };
  begin();
  fork();
  EXPECT_EQ(launch(second, 2), cudaSuccess);
  EXPECT_EQ(launch(first, 1), cudaSuccess);  // the same memory
  ASSERT_EQ(cudaEventRecord(event, second), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first, event, 0), cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(first, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  std::set<int> seen;
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(cudaGraphLaunch(executable, first), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
    seen.insert(*to);
  }
  EXPECT_EQ(seen, (std::set<int>{1, 2}));
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(FakeCuda, FindsASourceThatChangesTooEarly) {
  int host[16] = {1};
  for (void* source : {static_cast<void*>(host), pinned}) {
    std::memset(source, 1, kBytes);
    EXPECT_EQ(cudaMemcpyAsync(memory, source, kBytes, cudaMemcpyHostToDevice, first), cudaSuccess);
    std::memset(source, 2, kBytes);
    EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
    const std::vector<std::string> found = take_mistakes();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].substr(0, 14), "changed source");
  }
}

TEST_F(FakeCuda, ACopyToTheHostArrivesWhenItIsWaitedFor) {
  std::memset(pinned, 3, kBytes);
  EXPECT_EQ(cudaMemcpyAsync(memory, pinned, kBytes, cudaMemcpyHostToDevice, first), cudaSuccess);
  unsigned char host[kBytes] = {};
  EXPECT_EQ(cudaMemcpyAsync(host, memory, kBytes, cudaMemcpyDeviceToHost, first), cudaSuccess);
  EXPECT_EQ(host[0], 0xFF);
  EXPECT_EQ(cudaStreamSynchronize(second), cudaSuccess);
  EXPECT_EQ(host[0], 0xFF);
  EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
  EXPECT_EQ(host[0], 3);
  EXPECT_EQ(cudaMemcpyAsync(host, pinned, kBytes, cudaMemcpyDeviceToHost, first), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(memory, pinned, kBytes + 1, cudaMemcpyHostToDevice, first), cudaErrorInvalidValue);
}

TEST_F(FakeCuda, FindsAFreedOperandOfAGraph) {
  begin();
  EXPECT_EQ(clear(first), cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(first, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(executable, first), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  memory = nullptr;
  EXPECT_EQ(cudaGraphLaunch(executable, first), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(first), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaStreamSynchronize(second), cudaErrorIllegalAddress);  // a fault stays
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaErrorIllegalAddress);
  const std::vector<std::string> found = take_mistakes();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].substr(0, 13), "freed operand");
}

TEST_F(FakeCuda, HandlesEndWithTheirObjects) {
  cudaEvent_t gone = nullptr;
  ASSERT_EQ(cudaEventCreate(&gone), cudaSuccess);
  EXPECT_EQ(live().events, 2u);
  EXPECT_EQ(cudaEventDestroy(gone), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(gone, first), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventDestroy(gone), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(clear(nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(take_mistakes().at(0).substr(0, 14), "default stream");
}

TEST_F(FakeCuda, LaunchesAreCheckedAndRunLate) {
  auto* to = static_cast<int*>(memory);
  int value = 7;
  void* arguments[] = {&to, &value};
  const auto* kernel = reinterpret_cast<const void*>(&write);
  const auto launch = [&](dim3 grid, dim3 block, std::size_t shared) {
    return cudaLaunchKernel(kernel, grid, block, arguments, shared, first);
  };
  const void* unknown = this;
  EXPECT_EQ(cudaLaunchKernel(unknown, {}, {}, arguments, 0, first), cudaErrorInvalidDeviceFunction);
  register_function(&write, 1024);
  EXPECT_EQ(launch({0, 1, 1}, {}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch({}, {1025, 1, 1}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch({}, {}, (48 << 10) - 1023), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 164 << 10),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 << 10), cudaSuccess);
  *to = 0;
  EXPECT_EQ(launch({}, {}, 60 << 10), cudaSuccess);
  value = 8;  // the arguments were read
  EXPECT_EQ(*to, 0);
  EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
  EXPECT_EQ(*to, 7);
}

TEST_F(FakeCuda, ACallFailsOnRequest) {
  fail_call("cudaMemsetAsync", 2);
  EXPECT_EQ(clear(first), cudaSuccess);
  EXPECT_EQ(clear(first), cudaErrorUnknown);
  EXPECT_EQ(cudaGetLastError(), cudaErrorUnknown);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(failed_call(), "cudaMemsetAsync");
  EXPECT_EQ(clear(first), cudaSuccess);
  EXPECT_EQ(calls("cudaMemsetAsync"), 3);
  fail_call("", 2, cudaErrorMemoryAllocation);
  EXPECT_EQ(clear(first), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(first), cudaErrorMemoryAllocation);
  EXPECT_EQ(waiting_work(), 0u);  // a call that waits does so
  fail_call("", 0);
}

}  // namespace
}  // namespace attune::fake_cuda
