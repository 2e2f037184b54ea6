// The state of streams and graphs on an NVIDIA GPU, for the sources of this folder.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cuda/nvidia/arena.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {

struct Graph::State {
  CapturedSegments segments;
  cudaEvent_t before = nullptr;  // what the stream was given before the capture
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  std::vector<std::pair<void*, std::size_t>> staged;  // page-locked memory that recorded copies read
  std::vector<Stream::State*> streams;                // captured into it; the first began the capture

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();
};

struct Stream::State {
  cudaStream_t stream = nullptr;
  Priority priority = Priority::kFirst;
  std::shared_ptr<Graph::State> capture;  // while the stream is being captured
  std::array<const char*, 4> recent{};    // names of the latest kernels started, the last one first

  void started(const char* kernel) {
    std::rotate(recent.begin(), recent.end() - 1, recent.end());
    recent.front() = kernel;
  }
};

}  // namespace attune::cuda
