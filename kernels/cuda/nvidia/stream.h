// What a Stream is on an NVIDIA GPU, for the sources of this folder.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <memory>

#include "kernels/cuda/runtime.h"

namespace attune::cuda {

struct Stream::State {
  cudaStream_t stream = nullptr;
  std::unique_ptr<Graph::State> capture;  // while the stream is being captured
  std::array<const char*, 4> recent{};    // names of the latest kernels started, the last one first

  void started(const char* kernel) {
    std::rotate(recent.begin(), recent.end() - 1, recent.end());
    recent.front() = kernel;
  }
};

}  // namespace attune::cuda
