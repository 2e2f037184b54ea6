// The choices of every launcher on the host: the element type, the vector width its pointers and sizes allow, the grid.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/bfloat16.h"
#include "base/check.h"
#include "base/math.h"

namespace attune::cuda {

/// Calls f.template operator()<T>() with T = float or BFloat16. Throws Error naming `op` for any other dtype.
template <class F>
decltype(auto) dispatch_device_float(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::kFloat32:
      return std::forward<F>(f).template operator()<float>();
    case DType::kBFloat16:
      return std::forward<F>(f).template operator()<BFloat16>();
    default:
      throw Error(str_cat(op, ": no CUDA implementation for dtype ", name_of(dtype)));
  }
}

/// Elements of T in a 16-byte access.
template <class T>
inline constexpr int kVectorWidth = 16 / static_cast<int>(sizeof(T));

/// Whether all pointers (null ones too) are multiples of 16 bytes.
template <class... P>
bool aligned(const P*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

/// Calls f with the width as a constant: 16-byte vectors of T if `wide`, single elements otherwise.
template <class T, class F>
decltype(auto) with_width(bool wide, F&& f) {
  if (wide) return std::forward<F>(f)(std::integral_constant<int, kVectorWidth<T>>{});
  return std::forward<F>(f)(std::integral_constant<int, 1>{});
}

/// Number of blocks along one axis of a grid.
inline unsigned blocks_for(std::int64_t work, std::int64_t per_block) {
  return narrow<unsigned>(ceil_div(work, per_block));
}

}  // namespace attune::cuda
