#include "kernels/cuda/simulated/piece.h"

namespace attune::simulated {
namespace {

Observer* observer = nullptr;

}  // namespace

void set_observer(Observer* value) {
  observer = value;
}

void execute(const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::kKernel:
      return run_grid(piece.shape, piece.thread);
    case Piece::Kind::kGraph:
      for (const Piece* part : piece.graph) perform(*part);
      return;
    default:
      return piece.run();
  }
}

void perform(const Piece& piece) {
  if (observer != nullptr)
    observer->run(piece);
  else
    execute(piece);
}

}  // namespace attune::simulated
