// Element types of tensors, as run-time values.
//
// A kernel's arguments carry a DType; dispatch_float turns it into a type once, at the start of the kernel:
//
//   dispatch_float(args.dtype, "layernorm", [&]<class T>() { layernorm_forward_cpu<T>(args); });
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <utility>

#include "base/check.h"

namespace attune {

enum class DType : std::uint8_t { kFloat32, kFloat64, kBFloat16, kInt32, kInt64 };

/// Bytes per element.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 4;
    case DType::kFloat64:
      return 8;
    case DType::kBFloat16:
      return 2;
    case DType::kInt32:
      return 4;
    case DType::kInt64:
      return 8;
  }
  return 0;
}

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat64:
      return "float64";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
  }
  return "?";
}

inline std::ostream& operator<<(std::ostream& out, DType dtype) {
  return out << name_of(dtype);
}

/// The type of statistics and losses for tensors of this dtype.
constexpr DType statistics_dtype(DType dtype) {
  return dtype == DType::kBFloat16 ? DType::kFloat32 : dtype;
}

/// The DType of a C++ element type.
template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::kFloat64;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::kInt32;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::kInt64;
};

/// Calls f.template operator()<T>() with T = float or double. Throws Error naming `op` for any other dtype.
template <class F>
decltype(auto) dispatch_float(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::kFloat32:
      return std::forward<F>(f).template operator()<float>();
    case DType::kFloat64:
      return std::forward<F>(f).template operator()<double>();
    default:
      throw Error(str_cat(op, ": no implementation for dtype ", name_of(dtype)));
  }
}

}  // namespace attune
