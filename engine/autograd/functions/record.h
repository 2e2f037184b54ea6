// The one way a function returns its output and leaves its backward on the tape.
#pragma once

#include <utility>
#include <vector>

#include "engine/autograd/finite_watch.h"
#include "engine/autograd/tape.h"

namespace attune {

/// Whether an op on these inputs is to be recorded: a tape is recording and one of them requires a gradient.
template <class... Inputs>
bool recording(const Inputs&... inputs) {
  return Tape::current() != nullptr && (inputs.requires_grad() || ...);
}

/// An output, which the FiniteWatch sees if there is one.
inline Variable seen(const Op& op, Variable output) {
  if (FiniteWatch* watch = FiniteWatch::current()) watch->see_output(op, output);
  return output;
}

/// Wraps `value` as the output of an op that is not recorded.
inline Variable unrecorded(const Op& op, Tensor value) {
  return seen(op, Variable(std::move(value)));
}

/// Wraps `value` as the output of a recorded op; `backward(dy)` gets the gradient of the output.
template <class Backward>
Variable recorded(const Op& op, Tensor value, Backward backward) {
  Variable output(std::move(value), true);
  Tape::current()->record({output.grad()},
                          [grad = output.grad(), backward = std::move(backward)] { backward(grad.tensor()); });
  return seen(op, output);
}

}  // namespace attune
