// launch() of the simulator: the call is queued on the stream, with its arguments copied, and run by run_grid().
#pragma once

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/cuda/simulated/piece.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {

using simulated::Dim3;

/// Puts work on a stream.
void enqueue(const Stream& stream, simulated::Piece piece);

/// Puts a grid on a stream: `thread` is called for each of its threads. `kernel` is only a key.
void enqueue_grid(const Stream& stream, const simulated::GridShape& shape, const void* kernel,
                  std::function<void()> thread);

/// Puts kernel(args...) on the stream. `name` is for messages and profiles.
template <class... P, class... A>
void launch(const char* name, void (*kernel)(P...), Dim3 grid, Dim3 block, std::size_t shared_bytes,
            const Stream& stream, A&&... args) {
  if (grid.count() == 0) return;
  enqueue_grid(
      stream, {name, grid, block, shared_bytes}, reinterpret_cast<const void*>(kernel),
      [kernel, values = std::tuple<std::remove_cv_t<P>...>(std::forward<A>(args)...)] { std::apply(kernel, values); });
}

}  // namespace attune::cuda
