// The order of work on a GPU: streams, events, and graphs of captured work.
//
// Work on a stream happens in order and later than the call: results are there after synchronize(). Work on two streams
// is unordered unless an Event lies between. Kernels are launched from .cu files through launch() (platform.cuh).
//
// A capture may fork: a stream that waits for an event of a captured stream is captured into the same graph from then
// on. Before the capture ends, the stream that began it must wait for an event after the last work of each such stream.
#pragma once

#include <cstdint>
#include <memory>

namespace attune::cuda {

class Event;
class Graph;

/// Whose work a GPU starts first when both could start.
enum class Priority : std::uint8_t { kFirst, kSecond };

/// An ordered queue of device work.
class Stream {
 public:
  /// Throws Error if no GPU may be used.
  explicit Stream(Priority priority = Priority::kFirst);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Waits until all work is done. Throws Error with the fault of a kernel that failed.
  void synchronize() const;
  /// Later work of this stream starts after what `event` recorded.
  void wait(const Event& event) const;
  /// From here until end_capture, work is recorded instead of run.
  void begin_capture() const;
  /// Throws Error if a stream that the capture forked to was not waited for.
  Graph end_capture() const;
  /// Forgets what was recorded.
  void abandon_capture() const;
  bool capturing() const;
  /// What other libraries of the device call it: a cudaStream_t; the address of the State of the simulated device.
  void* native() const;

  struct State;
  State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// A point in a stream's work. It may be destroyed before the point is reached.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(const Stream& stream);
  /// Waits until the recorded point is reached.
  void synchronize() const;
  /// Milliseconds between two recorded and reached points.
  static double elapsed_ms(const Event& begin, const Event& end);

  struct State;
  State& state() const { return *state_; }

 private:
  std::shared_ptr<State> state_;  // work on a stream may still refer to it
};

/// A captured piece of a stream's work, to be run again as a whole.
class Graph {
 public:
  struct State;
  explicit Graph(std::shared_ptr<State> state);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  void launch(const Stream& stream) const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace attune::cuda
