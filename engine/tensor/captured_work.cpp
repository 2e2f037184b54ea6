#include "engine/tensor/captured_work.h"

#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"

namespace attune {

struct CapturedWork::State {
  cuda::Graph graph;
};

CapturedWork::CapturedWork(const std::function<void()>& work) {
  const cuda::Stream& stream = cuda_context().stream();
  stream.begin_capture();
  try {
    work();
  } catch (...) {
    stream.abandon_capture();
    throw;
  }
  state_ = std::make_unique<State>(State{stream.end_capture()});
}

CapturedWork::~CapturedWork() = default;

void CapturedWork::replay() const {
  state_->graph.launch(cuda_context().stream());
}

}  // namespace attune
