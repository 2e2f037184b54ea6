// Streams of the simulated device. Work put on a stream is kept until the host waits for it, and then run in order, so
// that tests find a result that is read too early, or a stream that does not wait for another. Only work that the host
// waited for has run. What a capture records of several streams is replayed in the order of the calls: there only the
// last wait of each stream is checked.
#include "kernels/cuda/stream.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <utility>

#include "base/check.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "kernels/cuda/simulated/launch.h"
#include "kernels/cuda/simulated/stream_state.h"

namespace attune::cuda {
namespace {

bool synchronous() {
  static const bool value = std::getenv("ATTUNE_CUDA_SYNC") != nullptr;
  return value;
}

// Streams that exist, for calls that wait for the whole device.
struct AllStreams {
  std::recursive_mutex mutex;
  std::set<Stream::State*> streams;
};
AllStreams& all_streams() {
  static AllStreams* instance = new AllStreams;
  return *instance;
}

// For destructors: a fault is printed.
void run_all(Stream::State& stream) noexcept {
  try {
    stream.run_until(stream.enqueued);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attune: %s\n", error.what());
  }
}

// The capture that a stream began ends for all streams that it forked to. Other work may use what it allocated from now
// on.
std::shared_ptr<Graph::State> finish_capture(Stream::State& state) {
  std::shared_ptr<Graph::State> capture = state.capture;
  for (Stream::State* stream : capture->streams) stream->capture.reset();
  capture->streams.clear();
  for (const auto& [number, held] : std::exchange(capture->held, {}))
    state.put({.run = [block = held] { simulated::begin_block(block); }});
  return capture;
}

}  // namespace

void Stream::State::run_until(std::uint64_t until) {
  while (done < until && !queue.empty()) {
    const Piece piece = std::move(queue.front());
    queue.pop_front();
    ++done;
    try {
      simulated::perform(piece);
    } catch (...) {
      done += queue.size();
      queue.clear();
      throw;
    }
  }
}

void run_all_streams() noexcept {
  AllStreams& all = all_streams();
  const std::scoped_lock lock(all.mutex);
  for (Stream::State* stream : all.streams) run_all(*stream);
}

struct Event::State {
  Stream::State* stream = nullptr;
  std::uint64_t position = 0, recorded = 0;
  std::weak_ptr<Graph::State> capture;  // that it was recorded in; its work owns this state
  std::chrono::steady_clock::time_point reached;
};

void Stream::State::put(Piece piece) {
  if (capture) {  // what several streams record is replayed in the order of the calls
    capture->work.push_back(std::move(piece));
    ++recorded;
    return;
  }
  put_uncaptured(std::move(piece));
}

void Stream::State::put_uncaptured(Piece piece) {
  queue.push_back(std::move(piece));
  ++enqueued;
  if (synchronous()) run_until(enqueued);
}

void enqueue(const Stream& stream, Piece piece) {
  stream.state().put(std::move(piece));
}

void enqueue_grid(const Stream& stream, const simulated::GridShape& shape, const void*, std::function<void()> thread) {
  simulated::on_call(simulated::Call::kLaunch);
  enqueue(stream, {.kind = Piece::Kind::kKernel, .shape = shape, .thread = std::move(thread)});
}

Stream::Stream(Priority priority) : state_(std::make_unique<State>()) {
  state_->priority = priority;
  const std::scoped_lock lock(all_streams().mutex);
  all_streams().streams.insert(state_.get());
}

Stream::~Stream() {
  const std::scoped_lock lock(all_streams().mutex);
  all_streams().streams.erase(state_.get());
  run_all(*state_);
}

void Stream::synchronize() const {
  CHECK(!state_->capture, "a stream cannot be waited for while it is being captured");
  state_->run_until(state_->enqueued);
}

void Stream::wait(const Event& event) const {
  Stream::State* from = event.state().stream;
  const std::shared_ptr<Graph::State> capture = event.state().capture.lock();
  if (capture && !capture->streams.empty()) {
    if (!state_->capture) {
      state_->capture = capture;
      state_->capture->streams.push_back(state_.get());
      state_->recorded = state_->joined = 0;
    }
    if (state_->capture->streams.front() == state_.get()) from->joined = std::max(from->joined, event.state().recorded);
    return;
  }
  enqueue(*this, {.run =
                      [stream = event.state().stream, position = event.state().position] {
                        if (stream != nullptr) stream->run_until(position);
                      },
                  .kind = Piece::Kind::kEvent});
}

void Stream::begin_capture() const {
  simulated::on_call(simulated::Call::kCapture);
  CHECK(!state_->capture, "the stream is being captured already");
  state_->capture = std::make_shared<Graph::State>();
  state_->capture->streams.push_back(state_.get());
}

Graph Stream::end_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  const bool joined = std::ranges::all_of(state_->capture->streams, [&](const Stream::State* stream) {
    return stream == state_.get() || stream->joined == stream->recorded;
  });
  std::shared_ptr<Graph::State> graph = finish_capture(*state_);
  CHECK(joined, "a capture ends while a stream that it forked to was not waited for");
  return Graph(std::move(graph));
}

void Stream::abandon_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  finish_capture(*state_);
}

bool Stream::capturing() const {
  return state_->capture != nullptr;
}

void* Stream::native() const {
  return state_.get();
}

Event::Event() : state_(std::make_shared<State>()) {}
Event::~Event() = default;

void Event::record(const Stream& stream) {
  enqueue(stream,
          {.run = [s = state_] { s->reached = std::chrono::steady_clock::now(); }, .kind = Piece::Kind::kEvent});
  state_->stream = &stream.state();
  state_->position = stream.state().enqueued;
  state_->recorded = stream.state().recorded;
  state_->capture = stream.state().capture;
}

void Event::synchronize() const {
  if (state_->stream != nullptr) state_->stream->run_until(state_->position);
}

double Event::elapsed_ms(const Event& begin, const Event& end) {
  return std::chrono::duration<double, std::milli>(end.state_->reached - begin.state_->reached).count();
}

Graph::Graph(std::shared_ptr<State> state) : state_(std::move(state)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

void Graph::launch(const Stream& stream) const {
  simulated::on_call(simulated::Call::kCapture);
  // As on a GPU, what was launched keeps the graph and its memory until it is done.
  std::vector<const Piece*> pieces;
  for (const Piece& piece : state_->work) pieces.push_back(&piece);
  enqueue(stream, {.run = [graph = state_] {}, .kind = Piece::Kind::kGraph, .graph = std::move(pieces)});
}

}  // namespace attune::cuda
