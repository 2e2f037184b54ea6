// Kernels of the fake device: functions whose calls can be kept for later.
#pragma once

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace attune::fake_cuda {

struct Grid {
  unsigned grid[3], block[3];
};

/// Of the arguments of a launch, which are read at once, makes the work that runs later.
using Pack = std::function<std::function<void(const Grid&)>(void** arguments)>;
/// Makes a kernel known, as nvcc's code does when a program starts. `static_bytes` of shared memory are its own.
void register_kernel(const void* kernel, Pack pack, std::size_t static_bytes = 0);

template <class... P, std::size_t... I>
std::tuple<std::remove_cv_t<P>...> read_arguments(void** arguments, std::index_sequence<I...>) {
  return {*static_cast<std::remove_cv_t<P>*>(arguments[I])...};
}

/// The same for a plain function, which is called once per launch.
template <class... P>
void register_function(void (*kernel)(P...), std::size_t static_bytes = 0) {
  register_kernel(
      reinterpret_cast<const void*>(kernel),
      [kernel](void** arguments) -> std::function<void(const Grid&)> {
        return [kernel, values = read_arguments<P...>(arguments, std::index_sequence_for<P...>())](const Grid&) {
          std::apply(kernel, values);
        };
      },
      static_bytes);
}

}  // namespace attune::fake_cuda
