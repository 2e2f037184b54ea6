// launch() on the CUDA runtime.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/cuda/stream.h"

namespace attune::cuda {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

/// Puts a kernel with packed arguments on the stream. Throws Error naming the kernel if it cannot be launched.
void launch_packed(const char* name, const void* kernel, Dim3 grid, Dim3 block, std::size_t shared_bytes,
                   const Stream& stream, void** arguments);

/// Puts kernel(args...) on the stream. `name` is for messages and profiles.
template <class... P, class... A>
void launch(const char* name, void (*kernel)(P...), Dim3 grid, Dim3 block, std::size_t shared_bytes,
            const Stream& stream, A&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  std::tuple<std::remove_cv_t<P>...> values(std::forward<A>(args)...);
  std::apply(
      [&](auto&... value) {
        void* pointers[] = {static_cast<void*>(&value)...};
        launch_packed(name, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream, pointers);
      },
      values);
}

}  // namespace attune::cuda
