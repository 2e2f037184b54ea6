// Captures and graphs of the fake device, by the CUDA programming guide, "Creating a Graph Using Stream Capture" and
// "Prohibited and Unhandled Operations". What an illegal call invalidated reports it at the end of the capture.
//
// A replay runs the nodes in a random order that their edges allow: an edge that is missing is found.
#include <numeric>
#include <ranges>

#include "base/check.h"
#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"

namespace attune::fake_cuda {
namespace {

void leave(Capture& capture) {
  for (const cudaStream_t stream : capture.streams) {
    stream->capture.reset();
    stream->last.clear();
  }
  capture.ended = true;
  std::erase_if(device().captures, [&](const auto& other) { return other.get() == &capture; });
}

// All nodes that must have run before work that follows `last`.
std::set<std::size_t> nodes_before(const Capture& capture, const std::set<std::size_t>& last) {
  std::set<std::size_t> out = last;
  for (std::size_t i = capture.nodes.size(); i-- > 0;)  // edges go to earlier nodes
    if (out.contains(i)) out.insert(capture.nodes[i].after.begin(), capture.nodes[i].after.end());
  return out;
}

bool joined(const Capture& capture) {
  const std::set<std::size_t> before = nodes_before(capture, capture.origin->last);
  return std::ranges::all_of(capture.streams,
                             [&](cudaStream_t stream) { return std::ranges::includes(before, stream->last); });
}

std::size_t random_below(std::size_t limit) {
  std::uint64_t& state = device().random;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<std::size_t>(state >> 33) % limit;
}

std::vector<std::size_t> random_order(const std::vector<Capture::Node>& nodes) {
  std::vector<std::size_t> out, left(nodes.size()), ready;
  std::vector<std::vector<std::size_t>> next(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    left[i] = nodes[i].after.size();
    for (const std::size_t before : nodes[i].after) next[before].push_back(i);
    if (left[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    std::swap(ready[random_below(ready.size())], ready.back());
    out.push_back(ready.back());
    ready.pop_back();
    for (const std::size_t i : next[out.back()])
      if (--left[i] == 0) ready.push_back(i);
  }
  return out;
}

}  // namespace

cudaError_t invalidate(const std::shared_ptr<Capture>& capture, cudaError_t error) {
  capture->invalid = true;
  return error;
}

cudaError_t unsafe_in_capture() {
  cudaError_t out = cudaSuccess;
  for (const auto& capture : device().captures) {
    const bool own = capture->thread == std::this_thread::get_id();
    if (own ? capture->mode != cudaStreamCaptureModeRelaxed : capture->mode == cudaStreamCaptureModeGlobal)
      out = invalidate(capture, cudaErrorStreamCaptureUnsupported);
  }
  return out;
}

cudaError_t waiting_in_capture() {
  for (const auto& capture : device().captures) invalidate(capture, cudaErrorStreamCaptureUnsupported);
  return device().captures.empty() ? cudaSuccess : cudaErrorStreamCaptureUnsupported;
}

}  // namespace attune::fake_cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Call call("cudaStreamBeginCapture");
  if (!call.ok()) return call.error();
  if (stream == nullptr) return call.end(cudaErrorStreamCaptureUnsupported);
  if (!device().streams.holds(stream)) return call.end(cudaErrorInvalidResourceHandle);
  if (stream->capture) return call.end(cudaErrorIllegalState);
  stream->capture = std::make_shared<Capture>(Capture{mode, std::this_thread::get_id(), stream, {stream}, {}});
  stream->last.clear();
  device().captures.push_back(stream->capture);
  return call.end(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Call call("cudaStreamEndCapture");
  *graph = nullptr;
  if (!device().streams.holds(stream)) return call.end(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return call.end(cudaErrorIllegalState);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
    return call.end(invalidate(capture, cudaErrorStreamCaptureWrongThread));
  if (capture->origin != stream) return call.end(invalidate(capture, cudaErrorStreamCaptureUnmatched));
  const bool all_joined = joined(*capture);
  leave(*capture);
  if (!call.ok()) return call.error();
  if (capture->invalid) return call.end(cudaErrorStreamCaptureInvalidated);
  if (!all_joined) return call.end(cudaErrorStreamCaptureUnjoined);
  *graph = device().graphs.create({std::move(capture->nodes)});
  return call.end(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const Call call("cudaGraphInstantiate");
  if (!call.ok()) return call.error();
  if (!device().graphs.holds(graph)) return call.end(cudaErrorInvalidValue);
  *executable = device().executables.create({graph->nodes});
  return call.end(cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Call call("cudaGraphLaunch");
  if (!call.ok()) return call.error();
  if (!device().executables.holds(executable)) return call.end(cudaErrorInvalidValue);
  if (!device().streams.holds(stream)) return call.end(cudaErrorInvalidResourceHandle);
  if (stream->capture) return call.end(invalidate(stream->capture, cudaErrorStreamCaptureUnsupported));
  for (const std::size_t i : random_order(executable->nodes)) {
    const cudaError_t status = put(stream, executable->nodes[i].work);
    if (status != cudaSuccess) return call.end(status);
  }
  return call.end(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Call call("cudaGraphDestroy");
  if (!device().graphs.destroy(graph)) return call.end(cudaErrorInvalidValue);
  graph->nodes.clear();
  return call.end(cudaSuccess);
}

// A launch that runs still runs to its end: its work was copied to the stream.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const Call call("cudaGraphExecDestroy");
  if (!device().executables.destroy(executable)) return call.end(cudaErrorInvalidValue);
  executable->nodes.clear();
  return call.end(cudaSuccess);
}
