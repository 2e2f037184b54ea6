// The runtime of an NVIDIA GPU, on the CUDA runtime library.
#include "kernels/cuda/runtime.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/launch.cuh"
#include "kernels/cuda/nvidia/stream.h"

namespace attune::cuda {
namespace {

bool synchronous() {
  static const bool value = std::getenv("ATTUNE_CUDA_SYNC") != nullptr;
  return value;
}

// Destructors report and go on.
void report(cudaError_t status, const char* call) noexcept {
  if (status != cudaSuccess) std::fprintf(stderr, "attune: cuda: %s: %s\n", call, cudaGetErrorString(status));
}

// Temporary memory given back stays with the process.
void keep_scratch_memory() {
  cudaMemPool_t pool;
  CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
  std::uint64_t threshold = std::numeric_limits<std::uint64_t>::max();
  CUDA_CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
}

}  // namespace

struct Event::State {
  cudaEvent_t event = nullptr;
};

struct Graph::State {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  std::vector<std::vector<std::byte>> staged;  // host memory that captured copies read

  ~State() {
    if (executable != nullptr) report(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
    if (graph != nullptr) report(cudaGraphDestroy(graph), "cudaGraphDestroy");
  }
};

bool available() {
  static const bool value = [] {
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
  }();
  return value;
}

void set_schedule_seed(std::uint64_t) {}

const char* backend_name() { return "nvidia"; }

const DeviceInfo& device_info() {
  static const DeviceInfo info = [] {
    CHECK(available(), "this machine has no usable NVIDIA GPU");
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    return DeviceInfo{.name = properties.name,
                      .multiprocessors = properties.multiProcessorCount,
                      .shared_bytes = properties.sharedMemPerBlockOptin,
                      .total_bytes = properties.totalGlobalMem};
  }();
  return info;
}

void* allocate(std::size_t bytes) {
  void* device = nullptr;
  const cudaError_t status = cudaMalloc(&device, std::max<std::size_t>(bytes, 1));
  CHECK(status != cudaErrorMemoryAllocation, "out of memory: ", bytes, " bytes could not be allocated on the gpu");
  CUDA_CHECK(status);
  return device;
}

void deallocate(void* device) noexcept {
  if (device != nullptr) report(cudaFree(device), "cudaFree");
}

Stream::Stream() : state_(std::make_unique<State>()) {
  static const bool once = (keep_scratch_memory(), true);
  static_cast<void>(once);
  CUDA_CHECK(cudaStreamCreateWithFlags(&state_->stream, cudaStreamNonBlocking));
}

Stream::~Stream() {
  report(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize");
  report(cudaStreamDestroy(state_->stream), "cudaStreamDestroy");
}

void Stream::synchronize() const {
  CHECK(!state_->capture, "a stream cannot be waited for while it is being captured");
  CUDA_CHECK(cudaStreamSynchronize(state_->stream));
}

void Stream::wait(const Event& event) const { CUDA_CHECK(cudaStreamWaitEvent(state_->stream, event.state().event, 0)); }

void Stream::begin_capture() const {
  CHECK(!state_->capture, "the stream is being captured already");
  CUDA_CHECK(cudaStreamBeginCapture(state_->stream, cudaStreamCaptureModeRelaxed));
  state_->capture = std::make_unique<Graph::State>();
}

Graph Stream::end_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  std::unique_ptr<Graph::State> graph = std::move(state_->capture);
  CUDA_CHECK(cudaStreamEndCapture(state_->stream, &graph->graph));
  CUDA_CHECK(cudaGraphInstantiate(&graph->executable, graph->graph, 0));
  return Graph(std::move(graph));
}

bool Stream::capturing() const { return state_->capture != nullptr; }

Event::Event() : state_(std::make_unique<State>()) { CUDA_CHECK(cudaEventCreate(&state_->event)); }
Event::~Event() { report(cudaEventDestroy(state_->event), "cudaEventDestroy"); }
void Event::record(const Stream& stream) { CUDA_CHECK(cudaEventRecord(state_->event, stream.state().stream)); }
void Event::synchronize() const { CUDA_CHECK(cudaEventSynchronize(state_->event)); }
double Event::elapsed_ms(const Event& begin, const Event& end) {
  float ms = 0;
  CUDA_CHECK(cudaEventElapsedTime(&ms, begin.state_->event, end.state_->event));
  return static_cast<double>(ms);
}

Graph::Graph(std::unique_ptr<State> state) : state_(std::move(state)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
void Graph::launch(const Stream& stream) const {
  CUDA_CHECK(cudaGraphLaunch(state_->executable, stream.state().stream));
}

void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  if (const auto& capture = stream.state().capture) {  // a graph reads the memory again at every launch
    const auto* from = static_cast<const std::byte*>(host);
    host = capture->staged.emplace_back(from, from + bytes).data();
  }
  CUDA_CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream.state().stream));
}

void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream) {
  if (bytes != 0) CUDA_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream.state().stream));
}

void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes != 0) CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream.state().stream));
}

void set_zero(void* device, std::size_t bytes, const Stream& stream) {
  if (bytes != 0) CUDA_CHECK(cudaMemsetAsync(device, 0, bytes, stream.state().stream));
}

Scratch::Scratch(std::size_t bytes, const Stream& stream) : data_(nullptr), stream_(stream) {
  const cudaError_t status = cudaMallocAsync(&data_, std::max<std::size_t>(bytes, 1), stream.state().stream);
  CHECK(status != cudaErrorMemoryAllocation, "out of memory: ", bytes, " bytes could not be allocated on the gpu");
  CUDA_CHECK(status);
}

Scratch::~Scratch() { report(cudaFreeAsync(data_, stream_.state().stream), "cudaFreeAsync"); }

void launch_packed(const char* name, const void* kernel, Dim3 grid, Dim3 block, std::size_t shared_bytes,
                   const Stream& stream, void** arguments) {
  constexpr std::size_t kDefaultShared = 48 << 10;
  if (shared_bytes > kDefaultShared) {
    CHECK(shared_bytes <= device_info().shared_bytes, "cuda: kernel ", name, " needs ", shared_bytes,
          " bytes of shared memory, the gpu grants ", device_info().shared_bytes);
    CUDA_CHECK(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)));
  }
  cudaError_t status = cudaLaunchKernel(kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, arguments,
                                        shared_bytes, stream.state().stream);
  if (status == cudaSuccess && synchronous() && !stream.state().capture)
    status = cudaStreamSynchronize(stream.state().stream);
  CHECK(status == cudaSuccess, "cuda: kernel ", name, ": ", cudaGetErrorString(status));
}

}  // namespace attune::cuda
