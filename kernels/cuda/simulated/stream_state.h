// The state of streams and graphs of the simulated device: work for later.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "kernels/cuda/simulated/memory.h"
#include "kernels/cuda/simulated/piece.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {

using simulated::Piece;

/// The arena keeps the segments of captured work as long as one lives: a replay still writes there.
struct Graph::State {
  std::deque<Piece> work;                                 // grows while launches refer to it
  std::map<std::uint64_t, simulated::SegmentBlock> held;  // of the arena, allocated in the capture and not freed there
  std::vector<Stream::State*> streams;                    // captured into it; the first began the capture

  State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();
};

struct Stream::State {
  Priority priority = Priority::kFirst;
  std::deque<Piece> queue;
  std::shared_ptr<Graph::State> capture;
  std::uint64_t enqueued = 0, done = 0;
  std::uint64_t recorded = 0, joined = 0;  // pieces in the capture, and those that the first stream has waited for

  virtual ~State() = default;
  /// Puts work on the stream, or into its capture. Virtual: a library that was given the stream's native() can call it
  /// without the program's symbols.
  virtual void put(Piece piece);
  /// Puts work on the stream, also while it is being captured.
  void put_uncaptured(Piece piece);
  /// Runs the queue up to piece `until` of the stream's history. After a fault the rest is dropped, as on a device.
  void run_until(std::uint64_t until);
};

/// Runs the work of every stream, as calls do that wait for the whole device. Faults are printed.
void run_all_streams() noexcept;

}  // namespace attune::cuda
