// Streams and events of the fake device, by the CUDA programming guide, "Asynchronous Concurrent Execution".
#include <exception>

#include "base/check.h"
#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"

namespace attune::fake_cuda {
namespace {

bool others_wait(const CUstream_st* stream) {
  return std::ranges::any_of(device().streams.all(),
                             [&](const auto& other) { return other.get() != stream && !other->queue.empty(); });
}

void drop_all() {
  for (const auto& stream : device().streams.all()) {
    stream->done += stream->queue.size();
    stream->queue.clear();
  }
}

}  // namespace

void run_until(cudaStream_t stream, std::uint64_t until) {
  while (stream->done < until && !stream->queue.empty()) {
    const CUstream_st::Piece piece = std::move(stream->queue.front());
    stream->queue.pop_front();
    ++stream->done;
    device().clock_ms += piece.ms;
    try {
      piece.task();
    } catch (const std::exception& error) {
      if (device().mistakes.empty() || device().mistakes.back() != error.what()) mistake(error.what());
      device().fault = cudaErrorIllegalAddress;
      drop_all();
    }
  }
}

void run_all() {
  for (std::size_t i = 0; i < device().streams.all().size(); ++i)
    run_until(device().streams.all()[i].get(), device().streams.all()[i]->put);
}

cudaError_t put(cudaStream_t stream, Work work) {
  if (!device().streams.holds(stream)) {
    // The default stream waits for all others that are not "non-blocking". Nothing of attune uses it.
    if (stream == nullptr) mistake("default stream: work is put on it");
    return cudaErrorInvalidResourceHandle;
  }
  if (const auto& capture = stream->capture) {
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    capture->nodes.push_back({std::move(work), stream->last});
    stream->last = {capture->nodes.size() - 1};
    return cudaSuccess;
  }
  stream->queue.push_back({work.issue(), work.ms});
  ++stream->put;
  return cudaSuccess;
}

cudaError_t put(cudaStream_t stream, Task task) {
  return put(stream, Work{[task = std::move(task)] { return task; }});
}

std::int64_t disturbed_times() {
  return device().disturbed_times;
}

std::size_t waiting_work() {
  std::size_t out = 0;
  for (const auto& stream : device().streams.all()) out += stream->queue.size();
  return out;
}

void recover() {
  const std::scoped_lock lock(device().mutex);
  drop_all();
  device().fault = device().last_error = cudaSuccess;
}

}  // namespace attune::fake_cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

cudaError_t cudaDeviceSynchronize() {
  const Call call("cudaDeviceSynchronize");
  if (const cudaError_t status = waiting_in_capture(); status != cudaSuccess) return call.end(status);
  run_all();
  return call.end(cudaSuccess);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  const Call call("cudaStreamCreateWithPriority");
  if (!call.ok()) return call.error();
  *stream = device().streams.create();
  (*stream)->flags = flags;
  return call.end(cudaSuccess);
}

// What waits on the stream still runs, when the device is waited for.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Call call("cudaStreamDestroy");
  if (!device().streams.destroy(stream)) return call.end(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    mistake("destroyed stream: it is being captured");
    return call.end(invalidate(stream->capture, cudaErrorStreamCaptureUnsupported));
  }
  return call.end(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Call call("cudaStreamSynchronize");
  if (!device().streams.holds(stream)) return call.end(cudaErrorInvalidResourceHandle);
  if (stream->capture) return call.end(invalidate(stream->capture, cudaErrorStreamCaptureUnsupported));
  run_until(stream, stream->put);
  return call.end(cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Call call("cudaStreamWaitEvent");
  if (!call.ok()) return call.error();
  if (!device().streams.holds(stream) || !device().events.holds(event)) return call.end(cudaErrorInvalidResourceHandle);
  if (const auto& from = event->capture) {
    if (from->ended) return call.end(cudaErrorCapturedEvent);
    if (from->invalid) return call.end(cudaErrorStreamCaptureInvalidated);
    if (stream->capture && stream->capture != from) {
      invalidate(stream->capture, cudaErrorStreamCaptureMerge);
      return call.end(invalidate(from, cudaErrorStreamCaptureMerge));
    }
    if (!stream->capture) {
      stream->capture = from;
      stream->last.clear();
      from->streams.push_back(stream);
    }
    stream->last.insert(event->nodes.begin(), event->nodes.end());
    return call.end(cudaSuccess);
  }
  if (stream->capture) return call.end(invalidate(stream->capture, cudaErrorStreamCaptureIsolation));
  if (event->stream == nullptr) return call.end(cudaSuccess);  // it was never recorded
  return call.end(put(stream, [from = event->stream, position = event->position] { run_until(from, position); }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  const Call call("cudaEventCreateWithFlags");
  if (!call.ok()) return call.error();
  *event = device().events.create();
  (*event)->flags = flags;
  return call.end(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  const Call call("cudaEventCreate");
  if (!call.ok()) return call.error();
  *event = device().events.create();
  return call.end(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Call call("cudaEventDestroy");
  return call.end(device().events.destroy(event) ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Call call("cudaEventRecord");
  if (!call.ok()) return call.error();
  if (!device().streams.holds(stream) || !device().events.holds(event)) return call.end(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    if (stream->capture->invalid) return call.end(cudaErrorStreamCaptureInvalidated);
    event->capture = stream->capture;
    event->nodes = stream->last;
    event->stream = nullptr;
    return call.end(cudaSuccess);
  }
  event->capture = nullptr;
  event->record = std::make_shared<CUevent_st::Record>();
  const cudaError_t status = put(stream, [record = event->record, stream] {
    *record = {device().clock_ms, true, others_wait(stream)};
  });
  event->stream = stream;
  event->position = stream->put;
  return call.end(status);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Call call("cudaEventSynchronize");
  if (!device().events.holds(event)) return call.end(cudaErrorInvalidResourceHandle);
  if (event->capture) return call.end(invalidate(event->capture, cudaErrorCapturedEvent));
  if (event->stream != nullptr) run_until(event->stream, event->position);
  return call.end(cudaSuccess);
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  const Call call("cudaEventElapsedTime");
  if (!call.ok()) return call.error();
  for (const cudaEvent_t event : {begin, end}) {
    if (!device().events.holds(event) || (event->flags & cudaEventDisableTiming) != 0 || !event->record)
      return call.end(cudaErrorInvalidResourceHandle);
    if (event->capture) return call.end(cudaErrorCapturedEvent);
  }
  if (!begin->record->reached || !end->record->reached) return call.end(cudaErrorNotReady);
  if (begin->record->disturbed || end->record->disturbed) ++device().disturbed_times;
  *ms = static_cast<float>(end->record->ms - begin->record->ms);
  return call.end(cudaSuccess);
}
