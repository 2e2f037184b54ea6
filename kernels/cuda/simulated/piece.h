// A piece of the simulated device's work as streams and graphs hold it, and an observer that sees pieces before they run.
//
// Without an observer every piece runs as a whole. With one, it decides: it may run a piece, some blocks of a kernel
// (run_blocks), or nothing. So a captured step can be read node by node without the time that its arithmetic takes
// (bench/step_ledger.cpp). What then was not written has its old bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/cuda/matmul.h"
#include "kernels/cuda/simulated/block.h"

namespace attune::simulated {

struct Piece {
  enum class Kind : std::uint8_t {
    kKernel,
    kProduct,
    kCopy,   // to, from or on the device, or clearing
    kEvent,  // a record or a wait
    kGraph,
    kOther  // of a library, or of the arena
  };
  struct Copied {
    const void* from = nullptr;  // memory of the device, or null
    void* to = nullptr;          // the same
    std::size_t bytes = 0;
  };

  std::function<void()> run = {};  // the work, unless it is a kernel's or a graph's
  Kind kind = Kind::kOther;
  GridShape shape = {};               // of a kernel
  std::function<void()> thread = {};  // of a kernel: what each of its threads does
  cuda::Matmul product = {};
  Copied copy = {};
  std::vector<const Piece*> graph = {};  // the pieces of a graph, in their order
};

class Observer {
 public:
  virtual ~Observer() = default;
  /// Does as much of the piece's work as shall be done.
  virtual void run(const Piece& piece) = 0;
};

/// Who is asked from now on; null: nobody.
void set_observer(Observer* observer);
/// Does all of a piece's work; of a graph, asks about each piece.
void execute(const Piece& piece);
/// Asks the observer, or executes the piece if there is none.
void perform(const Piece& piece);

}  // namespace attune::simulated
