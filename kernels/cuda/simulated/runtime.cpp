// The runtime of the simulated device. Work put on a stream is kept until somebody waits for it, and then run in order,
// so that a result read too early, or a stream that forgets to wait for another, shows. Only what was waited for has
// run.
#include "kernels/cuda/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <new>
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

// Bytes the device has.
std::size_t memory_size() {
  const char* value = std::getenv("ATTUNE_SIMULATED_MEMORY");
  return value == nullptr ? std::size_t{4} << 30 : std::strtoull(value, nullptr, 10);
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

// Sizes of the arena's blocks: of those in use, and of those that are free but not the device's yet, because work that
// reads them is not done or is part of a graph.
struct Arena {
  std::map<void*, std::size_t> blocks, freed;
  std::size_t in_use = 0, peak = 0, reserved = 0;

  void give_back(void* block) {
    const auto found = freed.find(block);
    reserved -= found->second;
    freed.erase(found);
    simulated::free_memory(block);
  }
};
Arena& arena() {
  static Arena* instance = new Arena;
  return *instance;
}

// The arena's blocks that belong to graphs.
std::set<void*>& captured_blocks() {
  static auto* instance = new std::set<void*>;
  return *instance;
}

}  // namespace

struct Graph::State {
  std::vector<Work> work;
  std::vector<void*> memory;  // of the captured calls: as long as they may be replayed, nobody else gets it
  ~State() {
    for (void* block : memory) {
      captured_blocks().erase(block);
      if (arena().freed.contains(block)) arena().give_back(block);  // else whoever holds it frees it
    }
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

std::string unavailable_reason() {
  const char* value = std::getenv("ATTUNE_SIMULATE_GPU");
  if (value != nullptr && std::string(value) == "1") return "";
  return "no CUDA device can be used: this build of attune has no CUDA; build with the cuda preset (for tests, "
         "ATTUNE_SIMULATE_GPU=1 stands in for a device)";
}

bool available() {
  return unavailable_reason().empty();
}

void set_schedule_seed(std::uint64_t seed) {
  simulated::set_seed(seed);
}

const char* backend_name() {
  return "simulated";
}

const DeviceInfo& device_info() {
  static const DeviceInfo info{.name = "block simulator",
                               .compute_capability = 80,
                               .multiprocessors = 4,
                               .shared_bytes = simulated::kMaxShared,
                               .total_bytes = memory_size()};
  return info;
}

void* allocate(std::size_t bytes) {
  if (const std::size_t free = free_bytes(); bytes > free)
    throw OutOfMemory(str_cat("out of memory: ", bytes, " bytes asked for, ", free, " of ", device_info().total_bytes,
                              " free on ", device_info().name));
  return simulated::allocate_memory(bytes);
}

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

void Stream::abandon_capture() const {
  CHECK(state_->capture != nullptr, "the stream is not being captured");
  state_->capture.reset();
}

bool Stream::capturing() const {
  return state_->capture != nullptr;
}

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

void* arena_allocate(std::size_t bytes, const Stream& stream) {
  Arena& a = arena();
  void* block = allocate(bytes);
  a.blocks[block] = bytes;
  a.in_use += bytes;
  a.reserved += bytes;
  a.peak = std::max(a.peak, a.in_use);
  if (Stream::State& s = stream.state(); s.capture) {
    s.capture->memory.push_back(block);
    captured_blocks().insert(block);
  }
  return block;
}

void arena_free(void* device, const Stream& stream) noexcept {
  if (device == nullptr) return;
  Arena& a = arena();
  const auto found = a.blocks.find(device);
  a.in_use -= found->second;
  a.freed.insert(a.blocks.extract(found));
  if (captured_blocks().contains(device)) return;
  Stream::State& s = stream.state();
  if (s.capture) {
    s.capture->memory.push_back(device);
    captured_blocks().insert(device);
  } else {
    enqueue(stream, [device] { arena().give_back(device); });
  }
}

ArenaUse arena_use() {
  return {arena().in_use, arena().peak, arena().reserved};
}

void reset_arena_peak() {
  arena().peak = arena().in_use;
}

void arena_release() {}  // what is freed is the device's at once

std::size_t free_bytes() {
  return device_info().total_bytes - std::min(simulated::memory_in_use(), device_info().total_bytes);
}

void* pinned_allocate(std::size_t bytes) {
  return ::operator new(std::max<std::size_t>(bytes, 1));
}

void pinned_free(void* host, std::size_t) noexcept {
  ::operator delete(host);
}

}  // namespace attune::cuda
