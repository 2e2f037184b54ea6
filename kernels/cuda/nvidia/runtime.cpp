// The runtime of an NVIDIA GPU, on the CUDA runtime library.
#include "kernels/cuda/runtime.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cuda/block_pool.h"
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

struct Arena {
  std::mutex mutex;
  ArenaPools pools;
};
Arena& arena() {
  static Arena* instance = new Arena;  // blocks may be freed by static destructors
  return *instance;
}

// Page-locked blocks by size, a power of two.
struct PinnedBlocks {
  std::mutex mutex;
  std::map<std::size_t, std::vector<void*>> free;
};
PinnedBlocks& pinned_blocks() {
  static PinnedBlocks* instance = new PinnedBlocks;
  return *instance;
}

// Page-locked places through which small copies go to the device, in turn: the host neither waits for the device nor
// keeps the bytes. From other memory the driver may wait for the stream.
class Staging {
 public:
  static constexpr std::size_t kMost = std::size_t{64} << 10;  // bytes of a copy

  void copy(void* device, const void* host, std::size_t bytes, cudaStream_t stream) {
    const std::scoped_lock lock(mutex_);
    Place& place = places_[next_++ % places_.size()];
    if (place.host == nullptr) {
      CUDA_CHECK(cudaMallocHost(&place.host, kMost));
      CUDA_CHECK(cudaEventCreateWithFlags(&place.left, cudaEventDisableTiming));
    } else {
      CUDA_CHECK(cudaEventSynchronize(place.left));
    }
    std::memcpy(place.host, host, bytes);
    CUDA_CHECK(cudaMemcpyAsync(device, place.host, bytes, cudaMemcpyHostToDevice, stream));
    CUDA_CHECK(cudaEventRecord(place.left, stream));
  }

 private:
  struct Place {
    void* host = nullptr;
    cudaEvent_t left = nullptr;  // the latest copy out of here
  };
  std::mutex mutex_;
  std::array<Place, 64> places_;  // more than the copies of the steps that the host runs ahead
  std::size_t next_ = 0;
};
Staging& staging() {
  static Staging* instance = new Staging;
  return *instance;
}

void* try_allocate(std::size_t bytes) {
  void* device = nullptr;
  const cudaError_t status = cudaMalloc(&device, std::max<std::size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // it is answered, and must not be found by the next call
    return nullptr;
  }
  CUDA_CHECK(status);
  return device;
}

void free_segment(void* segment) {
  report(cudaFree(segment), "cudaFree");
}

[[noreturn]] void out_of_memory(std::size_t bytes) {
  throw OutOfMemory(str_cat("out of memory: ", bytes, " bytes asked for, ", free_bytes(), " of ",
                            device_info().total_bytes, " free on ", device_info().name));
}

}  // namespace

struct Event::State {
  cudaEvent_t event = nullptr;
  const Stream::State* stream = nullptr;  // that recorded it
};

struct Graph::State {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  std::vector<std::pair<void*, std::size_t>> staged;  // page-locked memory that recorded copies read

  State() {
    const std::scoped_lock lock(arena().mutex);
    arena().pools.graph_begins();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (executable != nullptr) report(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
    if (graph != nullptr) report(cudaGraphDestroy(graph), "cudaGraphDestroy");
    if (!staged.empty()) report(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // a launch may still read them
    for (const auto& [host, bytes] : staged) pinned_free(host, bytes);
    const std::scoped_lock lock(arena().mutex);
    arena().pools.graph_ends();
  }
};

std::string unavailable_reason() {
  static const std::string reason = [] {
    int count = 0, major = 0, minor = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver)
      return std::string("no CUDA device can be used: there is no NVIDIA driver, or one too old for CUDA ") +
             std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
      return std::string("no CUDA device can be used: this machine has none");
    if (status != cudaSuccess) return std::string("no CUDA device can be used: ") + cudaGetErrorString(status);
    CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
    if (major >= 8) return std::string();
    return "no CUDA device can be used: the first has compute capability " + std::to_string(major) + "." +
           std::to_string(minor) + ", the kernels need 8.0 or later";
  }();
  return reason;
}

bool available() {
  return unavailable_reason().empty();
}

void set_schedule_seed(std::uint64_t) {}

const char* backend_name() {
  return "nvidia";
}

const DeviceInfo& device_info() {
  static const DeviceInfo info = [] {
    CHECK(available(), unavailable_reason());
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    return DeviceInfo{.name = properties.name,
                      .compute_capability = 10 * properties.major + properties.minor,
                      .multiprocessors = properties.multiProcessorCount,
                      .shared_bytes = properties.sharedMemPerBlockOptin,
                      .total_bytes = properties.totalGlobalMem};
  }();
  return info;
}

void* allocate(std::size_t bytes) {
  if (void* device = try_allocate(bytes)) return device;
  {
    const std::scoped_lock lock(arena().mutex);
    arena().pools.release(free_segment);
  }
  if (void* device = try_allocate(bytes)) return device;
  out_of_memory(bytes);
}

void deallocate(void* device) noexcept {
  if (device != nullptr) report(cudaFree(device), "cudaFree");
}

namespace {

// What went wrong on a stream is known only later: names the kernels it may have been.
void throw_on_fault(cudaError_t status, const Stream::State& state) {
  if (status == cudaSuccess) return;
  std::string kernels;
  for (const char* name : state.recent)
    if (name != nullptr) kernels += (kernels.empty() ? "" : ", ") + std::string(name);
  throw Error(str_cat("cuda: work on the gpu failed: ", cudaGetErrorString(status), "; the latest kernels were ",
                      kernels, " (run again with ATTUNE_CUDA_SYNC=1 and --no_graphs to learn which one it is)"));
}

}  // namespace

Stream::Stream() : state_(std::make_unique<State>()) {
  CHECK(available(), unavailable_reason());
  CUDA_CHECK(cudaStreamCreateWithFlags(&state_->stream, cudaStreamNonBlocking));
}

Stream::~Stream() {
  report(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize");
  report(cudaStreamDestroy(state_->stream), "cudaStreamDestroy");
}

void Stream::synchronize() const {
  CHECK(!state_->capture, "a stream cannot be waited for while it is being captured");
  throw_on_fault(cudaStreamSynchronize(state_->stream), *state_);
}

void Stream::wait(const Event& event) const {
  CUDA_CHECK(cudaStreamWaitEvent(state_->stream, event.state().event, 0));
}

void Stream::begin_capture() const {
  CHECK(!state_->capture, "the stream is being captured already");
  CUDA_CHECK(cudaStreamBeginCapture(state_->stream, cudaStreamCaptureModeRelaxed));
  state_->capture = std::make_unique<Graph::State>();
}

void Stream::abandon_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  static_cast<void>(cudaStreamEndCapture(state_->stream, &state_->capture->graph));  // it may be invalid already
  static_cast<void>(cudaGetLastError());
  state_->capture.reset();
}

Graph Stream::end_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  std::unique_ptr<Graph::State> graph = std::move(state_->capture);
  CUDA_CHECK(cudaStreamEndCapture(state_->stream, &graph->graph));
  CUDA_CHECK(cudaGraphInstantiate(&graph->executable, graph->graph, 0));
  return Graph(std::move(graph));
}

bool Stream::capturing() const {
  return state_->capture != nullptr;
}

Event::Event() : state_(std::make_unique<State>()) {
  CUDA_CHECK(cudaEventCreate(&state_->event));
}
Event::~Event() {
  report(cudaEventDestroy(state_->event), "cudaEventDestroy");
}
void Event::record(const Stream& stream) {
  CUDA_CHECK(cudaEventRecord(state_->event, stream.state().stream));
  state_->stream = &stream.state();
}
void Event::synchronize() const {
  const cudaError_t status = cudaEventSynchronize(state_->event);
  if (state_->stream != nullptr)
    throw_on_fault(status, *state_->stream);
  else
    CUDA_CHECK(status);
}
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
    void* kept = pinned_allocate(bytes);
    capture->staged.emplace_back(kept, bytes);
    std::memcpy(kept, host, bytes);
    host = kept;
  } else if (bytes <= Staging::kMost) {
    staging().copy(device, host, bytes, stream.state().stream);
    return;
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

void* arena_allocate(std::size_t bytes, const Stream& stream) {
  const std::scoped_lock lock(arena().mutex);
  void* block = arena().pools.allocate(bytes, stream.capturing(), try_allocate, free_segment);
  if (block == nullptr) out_of_memory(bytes);
  return block;
}

void arena_free(void* device, const Stream&) noexcept {
  if (device == nullptr) return;
  const std::scoped_lock lock(arena().mutex);
  arena().pools.free(device);
}

void arena_release() {
  const std::scoped_lock lock(arena().mutex);
  arena().pools.release(free_segment);
}

ArenaUse arena_use() {
  const std::scoped_lock lock(arena().mutex);
  const ArenaPools& pools = arena().pools;
  return {pools.in_use(), pools.peak(), pools.reserved()};
}

void reset_arena_peak() {
  const std::scoped_lock lock(arena().mutex);
  arena().pools.reset_peak();
}

std::size_t free_bytes() {
  std::size_t free = 0, total = 0;
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

void* pinned_allocate(std::size_t bytes) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(bytes, 64));
  PinnedBlocks& blocks = pinned_blocks();
  const std::scoped_lock lock(blocks.mutex);
  std::vector<void*>& free = blocks.free[size];
  void* host = nullptr;
  if (free.empty()) {
    CUDA_CHECK(cudaMallocHost(&host, size));
  } else {
    host = free.back();
    free.pop_back();
  }
  return host;
}

void pinned_free(void* host, std::size_t bytes) noexcept {
  if (host == nullptr) return;
  const std::scoped_lock lock(pinned_blocks().mutex);
  pinned_blocks().free[std::bit_ceil(std::max<std::size_t>(bytes, 64))].push_back(host);
}

namespace {

void check_launch(cudaError_t status, const char* kernel) {
  if (status == cudaErrorNoKernelImageForDevice) {
    const DeviceInfo& info = device_info();
    throw Error(str_cat("cuda: this build has no kernels for ", info.name, ", of compute capability ",
                        info.compute_capability / 10, ".", info.compute_capability % 10,
                        ": build it with the preset cuda_native or cuda_portable"));
  }
  CHECK(status == cudaSuccess, "cuda: kernel ", kernel, ": ", cudaGetErrorString(status));
}

// Asks the device, once, for more dynamic shared memory than a kernel has unasked.
void allow_shared(const char* name, const void* kernel, std::size_t shared_bytes) {
  constexpr std::size_t kUnasked = 40 << 10;  // 48 KiB, of which kernels have a few of their own beside
  if (shared_bytes <= kUnasked) return;
  static std::mutex mutex;
  static std::map<const void*, std::size_t> allowed;
  const std::scoped_lock lock(mutex);
  if (shared_bytes <= allowed[kernel]) return;
  cudaFuncAttributes attributes{};
  check_launch(cudaFuncGetAttributes(&attributes, kernel), name);
  const std::size_t all = shared_bytes + attributes.sharedSizeBytes;
  CHECK(all <= device_info().shared_bytes, "cuda: kernel ", name, " needs ", all,
        " bytes of shared memory, the gpu grants ", device_info().shared_bytes);
  check_launch(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)), name);
  allowed[kernel] = shared_bytes;
}

}  // namespace

void launch_packed(const char* name, const void* kernel, Dim3 grid, Dim3 block, std::size_t shared_bytes,
                   const Stream& stream, void** arguments) {
  allow_shared(name, kernel, shared_bytes);
  cudaError_t status = cudaLaunchKernel(kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, arguments,
                                        shared_bytes, stream.state().stream);
  if (status == cudaSuccess && synchronous() && !stream.state().capture)
    status = cudaStreamSynchronize(stream.state().stream);
  check_launch(status, name);
  stream.state().started(name);
}

}  // namespace attune::cuda
