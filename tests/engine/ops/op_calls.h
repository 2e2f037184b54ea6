// One call of every op of engine/ops with arguments that fit, for the tests that spoil one of them at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace attune::testing {

/// Zeros, float32, of this shape.
inline Tensor floats(const Shape& shape) {
  return Tensor::zeros(shape, DType::kFloat32);
}
/// [values], int32.
inline Tensor ints(const std::vector<std::int32_t>& values) {
  return Tensor::from(values, {std::ssize(values)});
}

/// [values], float64.
inline Tensor doubles(const std::vector<double>& values) {
  return Tensor::from(values, {std::ssize(values)});
}

/// What is checked of an argument.
enum class Kind : std::uint8_t {
  kRequired,
  kOptional,      // may be undefined
  kAnyWidth,      // its innermost dimension is free, or decides what other arguments need
  kAnyShape,      // its shape and type are free, or decide what other arguments need
  kDecidesDevice  // the argument that the others are compared with; of any shape and type too
};

inline constexpr Kind kFirst = Kind::kDecidesDevice, kOptional = Kind::kOptional, kRequired = Kind::kRequired,
                      kAnyWidth = Kind::kAnyWidth, kAnyShape = Kind::kAnyShape;

struct Argument {
  Kind kind;
  Tensor value;
};
/// By the names that errors use.
using Named = std::map<std::string, Argument>;

/// The argument of a name; undefined where there is none.
using Get = std::function<Tensor(const std::string&)>;

/// One call of an op with arguments that fit.
struct OpCall {
  std::string op;
  Named arguments;
  std::function<void(const Get&)> call;
  std::string variant = {};
};

/// Every op in both directions.
std::vector<OpCall> op_calls();
/// A part of them: those of the optimizer's ops.
std::vector<OpCall> optimizer_calls();

void PrintTo(const OpCall& call, std::ostream* out);

}  // namespace attune::testing
