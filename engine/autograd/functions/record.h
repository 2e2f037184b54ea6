// The one way a function leaves its backward on the tape.
#pragma once

#include <utility>
#include <vector>

#include "engine/autograd/tape.h"

namespace attune {

/// Whether an op on these inputs is to be recorded: a tape is recording and one of them requires a gradient.
template <class... Inputs>
bool recording(const Inputs&... inputs) {
  return Tape::current() != nullptr && (inputs.requires_grad() || ...);
}

/// Wraps `value` as the output of a recorded op; `backward(dy)` gets the gradient of the output.
template <class Backward>
Variable recorded(Tensor value, Backward backward) {
  Variable output(std::move(value), true);
  Tape::current()->record({output.grad()},
                          [grad = output.grad(), backward = std::move(backward)] { backward(grad.tensor()); });
  return output;
}

}  // namespace attune
