// The runtime of the simulated device. Work put on a stream is kept until somebody waits for it, and then run in order,
// so that a result read too early, or a stream that forgets to wait for another, shows. Only what was waited for has
// run.
#include "kernels/cuda/runtime.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/simulated/launch.h"
#include "kernels/cuda/simulated/memory.h"

namespace attune::cuda {
namespace {

using Work = std::function<void()>;

void check_memory(const void* device, std::size_t bytes, const char* what) {
  if (!simulated::is_device_memory(device, bytes))
    throw simulated::SimulatorFault(simulated::Fault::kOutOfBounds,
                                    str_cat(what, " of ", bytes, " bytes outside of device memory"));
}

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

}  // namespace

struct Graph::State {
  std::vector<Work> work;
  std::vector<void*> scratch;  // temporary memory of the captured calls
  ~State() {
    for (void* block : scratch) simulated::free_memory(block);
  }
};

struct Stream::State {
  std::deque<Work> queue;
  std::unique_ptr<Graph::State> capture;
  std::uint64_t enqueued = 0, done = 0;

  // Runs the queue up to piece `until` of the stream's history. After a fault the rest is dropped, as on a device.
  void run_until(std::uint64_t until) {
    while (done < until && !queue.empty()) {
      const Work work = std::move(queue.front());
      queue.pop_front();
      ++done;
      try {
        work();
      } catch (...) {
        done += queue.size();
        queue.clear();
        throw;
      }
    }
  }
};

struct Event::State {
  Stream::State* stream = nullptr;
  std::uint64_t position = 0;
  std::chrono::steady_clock::time_point reached;
};

bool available() {
  const char* value = std::getenv("ATTUNE_SIMULATE_GPU");
  return value != nullptr && std::string(value) == "1";
}

void set_schedule_seed(std::uint64_t seed) { simulated::set_seed(seed); }

const char* backend_name() { return "simulated"; }

const DeviceInfo& device_info() {
  static const DeviceInfo info{.name = "block simulator",
                               .multiprocessors = 4,
                               .shared_bytes = simulated::kMaxShared,
                               .total_bytes = std::size_t{4} << 30};
  return info;
}

void* allocate(std::size_t bytes) { return simulated::allocate_memory(bytes); }

void deallocate(void* device) noexcept {
  if (device == nullptr) return;
  {
    AllStreams& all = all_streams();
    const std::scoped_lock lock(all.mutex);
    for (Stream::State* stream : all.streams) {
      try {
        stream->run_until(stream->enqueued);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "attune: %s\n", error.what());
      }
    }
  }
  simulated::free_memory(device);
}

void enqueue(const Stream& stream, Work work) {
  Stream::State& s = stream.state();
  if (s.capture) {
    s.capture->work.push_back(std::move(work));
    return;
  }
  s.queue.push_back(std::move(work));
  ++s.enqueued;
  if (synchronous()) s.run_until(s.enqueued);
}

Stream::Stream() : state_(std::make_unique<State>()) {
  const std::scoped_lock lock(all_streams().mutex);
  all_streams().streams.insert(state_.get());
}

Stream::~Stream() {
  const std::scoped_lock lock(all_streams().mutex);
  all_streams().streams.erase(state_.get());
  try {
    state_->run_until(state_->enqueued);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attune: %s\n", error.what());
  }
}

void Stream::synchronize() const {
  CHECK(!state_->capture, "a stream cannot be waited for while it is being captured");
  state_->run_until(state_->enqueued);
}

void Stream::wait(const Event& event) const {
  enqueue(*this, [stream = event.state().stream, position = event.state().position] {
    if (stream != nullptr) stream->run_until(position);
  });
}

void Stream::begin_capture() const {
  CHECK(!state_->capture, "the stream is being captured already");
  state_->capture = std::make_unique<Graph::State>();
}

Graph Stream::end_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  return Graph(std::move(state_->capture));
}

bool Stream::capturing() const { return state_->capture != nullptr; }

Event::Event() : state_(std::make_unique<State>()) {}
Event::~Event() = default;

void Event::record(const Stream& stream) {
  enqueue(stream, [s = state_.get()] { s->reached = std::chrono::steady_clock::now(); });
  state_->stream = &stream.state();
  state_->position = stream.state().enqueued;
}

void Event::synchronize() const {
  if (state_->stream != nullptr) state_->stream->run_until(state_->position);
}

double Event::elapsed_ms(const Event& begin, const Event& end) {
  return std::chrono::duration<double, std::milli>(end.state_->reached - begin.state_->reached).count();
}

Graph::Graph(std::unique_ptr<State> state) : state_(std::move(state)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

void Graph::launch(const Stream& stream) const {
  for (const Work& work : state_->work) enqueue(stream, work);
}

void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  std::vector<std::byte> staged(bytes);
  std::memcpy(staged.data(), host, bytes);
  enqueue(stream, [device, staged = std::move(staged)] {
    check_memory(device, staged.size(), "a copy to the device");
    std::memcpy(device, staged.data(), staged.size());
  });
}

void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  enqueue(stream, [=] {
    check_memory(device, bytes, "a copy to the host");
    std::memcpy(host, device, bytes);
  });
}

void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  enqueue(stream, [=] {
    check_memory(from, bytes, "a copy from the device");
    check_memory(to, bytes, "a copy to the device");
    std::memmove(to, from, bytes);
  });
}

void set_zero(void* device, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  enqueue(stream, [=] {
    check_memory(device, bytes, "clearing");
    std::memset(device, 0, bytes);
  });
}

Scratch::Scratch(std::size_t bytes, const Stream& stream) : data_(simulated::allocate_memory(bytes)), stream_(stream) {}

Scratch::~Scratch() {
  Stream::State& s = stream_.state();
  if (s.capture) s.capture->scratch.push_back(data_);
  else enqueue(stream_, [data = data_] { simulated::free_memory(data); });
}

}  // namespace attune::cuda
