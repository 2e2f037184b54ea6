// The state of streams and graphs of the simulated device: work for later, as functions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/cuda/stream.h"

namespace attune::cuda {

using Work = std::function<void()>;

struct Graph::State {
  std::vector<Work> work;
  std::vector<void*> memory;            // of the captured calls; reserved as long as they may be replayed
  std::vector<Stream::State*> streams;  // captured into it; the first began the capture
  ~State();
};

struct Stream::State {
  Priority priority = Priority::kFirst;
  std::deque<Work> queue;
  std::shared_ptr<Graph::State> capture;
  std::uint64_t enqueued = 0, done = 0;
  std::uint64_t recorded = 0, joined = 0;  // pieces in the capture, and those that the first stream has waited for

  virtual ~State() = default;
  /// Puts work on the stream, or into its capture. Virtual: a library that was given the stream's native() can call it
  /// without the program's symbols.
  virtual void put(Work work);
  /// Runs the queue up to piece `until` of the stream's history. After a fault the rest is dropped, as on a device.
  void run_until(std::uint64_t until);
};

/// Runs the work of every stream, as calls do that wait for the whole device. Faults are printed.
void run_all_streams() noexcept;

}  // namespace attune::cuda
