// Runs a kernel on a stream of its own and waits for it, for tests.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/cuda/platform.cuh"

namespace attune::testing {

template <class... P, class... A>
void run(void (*kernel)(P...), cuda::Dim3 grid, cuda::Dim3 block, std::size_t shared, A&&... args) {
  const cuda::Stream stream;
  cuda::launch("kernel", kernel, grid, block, shared, stream, std::forward<A>(args)...);
  stream.synchronize();
}

}  // namespace attune::testing
