// launch() of the simulator: the call is queued on the stream, with its arguments copied, and run by run_grid().
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/cuda/simulated/block.h"
#include "kernels/cuda/simulated/failing_calls.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {

using simulated::Dim3;

/// Puts work on a stream.
void enqueue(const Stream& stream, std::function<void()> work);

/// Puts kernel(args...) on the stream. `name` is for messages and profiles.
template <class... P, class... A>
void launch(const char* name, void (*kernel)(P...), Dim3 grid, Dim3 block, std::size_t shared_bytes,
            const Stream& stream, A&&... args) {
  if (grid.count() == 0) return;
  simulated::on_call(simulated::Call::kLaunch);
  enqueue(stream, [=, shape = simulated::GridShape{name, grid, block, shared_bytes},
                   values = std::tuple<std::remove_cv_t<P>...>(std::forward<A>(args)...)] {
    simulated::run_grid(shape, [&] { std::apply(kernel, values); });
  });
}

}  // namespace attune::cuda
