#include "kernels/cuda/stream.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/join.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream_state.h"

namespace attune::cuda {
namespace {

// An error on a stream is known only later: names the kernels that may have caused it.
void throw_on_fault(cudaError_t status, const Stream::State& state) {
  if (status == cudaSuccess) return;
  std::vector<const char*> kernels;
  std::ranges::copy_if(state.recent, std::back_inserter(kernels), [](const char* name) { return name != nullptr; });
  throw Error(str_cat("cuda: work on the gpu failed: ", cudaGetErrorString(status), "; the latest kernels were ",
                      join(kernels), " (run again with ATTUNE_CUDA_SYNC=1 and --no_graphs to learn which one it is)"));
}

// The capture that a stream began ends for all streams that it forked to.
std::shared_ptr<Graph::State> finish_capture(const Stream::State& state) {
  std::shared_ptr<Graph::State> capture = state.capture;
  for (Stream::State* stream : capture->streams) stream->capture.reset();
  capture->streams.clear();
  return capture;
}

// Graphs take memory of their own: where there is none, what the arena keeps for reuse makes room.
template <class Call>
void with_room(Call&& call, const char* name) {
  cudaError_t status = call();
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // the error is handled; the next call must not see it
    arena_release();
    status = call();
  }
  check(status, name);
}

}  // namespace

struct Event::State {
  cudaEvent_t event = nullptr;
  const Stream::State* stream = nullptr;  // that recorded it
  std::shared_ptr<Graph::State> capture;  // that it was recorded in
};

Graph::State::~State() {
  if (executable != nullptr) report(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  if (graph != nullptr) report(cudaGraphDestroy(graph), "cudaGraphDestroy");
  if (before != nullptr) report(cudaEventDestroy(before), "cudaEventDestroy");
  if (!staged.empty()) report(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // a launch may still read them
  for (const auto& [host, bytes] : staged) pinned_free(host, bytes);
}

Stream::Stream(Priority priority) : state_(std::make_unique<State>()) {
  CHECK(available(), unavailable_reason());
  state_->priority = priority;
  int last = 0, first = 0;
  CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&last, &first));
  CUDA_CHECK(cudaStreamCreateWithPriority(&state_->stream, cudaStreamNonBlocking,
                                          priority == Priority::kFirst ? first : last));
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
  const std::shared_ptr<Graph::State>& capture = event.state().capture;
  if (state_->capture || !capture || capture->streams.empty()) return;
  state_->capture = capture;
  capture->streams.push_back(state_.get());
}

void Stream::begin_capture() const {
  CHECK(!state_->capture, "the stream is being captured already");
  const auto capture = std::make_shared<Graph::State>();
  CUDA_CHECK(cudaEventCreateWithFlags(&capture->before, cudaEventDisableTiming));
  CUDA_CHECK(cudaEventRecord(capture->before, state_->stream));
  capture->streams.push_back(state_.get());
  CUDA_CHECK(cudaStreamBeginCapture(state_->stream, cudaStreamCaptureModeRelaxed));
  state_->capture = capture;
}

void Stream::abandon_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  const std::shared_ptr<Graph::State> graph = finish_capture(*state_);
  static_cast<void>(cudaStreamEndCapture(state_->stream, &graph->graph));  // it may be invalid already
  static_cast<void>(cudaGetLastError());
}

Graph Stream::end_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  const std::shared_ptr<Graph::State> graph = finish_capture(*state_);
  CUDA_CHECK(cudaStreamEndCapture(state_->stream, &graph->graph));
  with_room([&] { return cudaGraphInstantiate(&graph->executable, graph->graph, 0); }, "cudaGraphInstantiate");
  return Graph(graph);
}

bool Stream::capturing() const {
  return state_->capture != nullptr;
}

void* Stream::native() const {
  return state_->stream;
}

Event::Event() : state_(std::make_shared<State>()) {
  CUDA_CHECK(cudaEventCreate(&state_->event));
}
Event::~Event() {
  report(cudaEventDestroy(state_->event), "cudaEventDestroy");
}
void Event::record(const Stream& stream) {
  CUDA_CHECK(cudaEventRecord(state_->event, stream.state().stream));
  state_->stream = &stream.state();
  state_->capture = stream.state().capture;
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

Graph::Graph(std::shared_ptr<State> state) : state_(std::move(state)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
void Graph::launch(const Stream& stream) const {
  with_room([&] { return cudaGraphLaunch(state_->executable, stream.state().stream); }, "cudaGraphLaunch");
}

}  // namespace attune::cuda
