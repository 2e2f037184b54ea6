// What a Stream is on an NVIDIA GPU, for the sources of this folder.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "kernels/cuda/runtime.h"

namespace attune::cuda {

struct Stream::State {
  cudaStream_t stream = nullptr;
  std::unique_ptr<Graph::State> capture;  // while the stream is being captured
};

}  // namespace attune::cuda
