// A tensor that may require a gradient.
//
// A Variable is a handle: copies share value and gradient. Ops on Variables (engine/autograd/functions.h) compute their
// value at once. If an input requires a gradient and a tape is recording, they add a backward step to the tape. A step
// captures the Grad of a variable to write to it, and its value only if the formula needs it: values that no step needs
// are freed during the forward pass.
#pragma once

#include <memory>

#include "engine/ops/args.h"
#include "engine/tensor/tensor.h"

namespace attune {

/// The gradient half of a Variable; copies share it.
class Grad {
 public:
  Grad() = default;
  Grad(const Tensor& like, bool requires_grad);

  bool requires_grad() const { return state_ != nullptr && state_->requires_grad; }
  /// The gradient accumulated so far; undefined if there is none.
  const Tensor& tensor() const;
  /// Where an op's backward writes this gradient: empty if it is not needed, a new buffer at first, later the
  /// accumulated gradient in accumulating mode.
  GradTarget target() const;
  /// Adds a finished gradient; the first one is shared, not copied.
  void add(const Tensor& gradient) const;
  /// The gradient accumulated so far, in bytes that no other tensor shares; removes it from this variable.
  Tensor take() const;
  void clear() const;
  /// Whether both are the gradient of one variable.
  friend bool operator==(const Grad&, const Grad&) = default;

 private:
  friend class Variable;
  struct State {
    Shape shape;
    DType dtype;
    Device device;
    bool requires_grad;
    Tensor gathered;
  };
  std::shared_ptr<State> state_;
};

class Variable {
 public:
  /// An undefined variable, e.g. the bias of a layer that has none.
  Variable() = default;
  explicit Variable(Tensor value, bool requires_grad = false);

  bool defined() const { return value_ != nullptr; }
  /// The value; an undefined tensor if the variable is undefined.
  const Tensor& value() const;
  /// Moves the value out of its only handle, which is undefined afterwards. Throws Error if other handles exist.
  Tensor release() &&;
  /// Replaces the value by one of the same shape (loading, initialising). Throws Error on another shape.
  void set_value(Tensor value) const;
  const Shape& shape() const { return value().shape(); }

  bool requires_grad() const { return grad_.requires_grad(); }
  void set_requires_grad(bool requires_grad) const { grad_.state_->requires_grad = requires_grad; }
  const Grad& grad() const { return grad_; }

 private:
  std::shared_ptr<Tensor> value_;
  Grad grad_;
};

}  // namespace attune
