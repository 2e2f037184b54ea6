// A tensor that may want a gradient.
//
// A Variable is a handle: copies share value and gradient. Ops on Variables (engine/autograd/functions.h) compute their
// value at once and, where an input wants a gradient and a tape is recording, leave a backward step on the tape. A step
// captures the Grad of a variable to write to it, and its value only where the formula needs it: values nobody needs
// any more are freed during the forward pass.
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
  /// The gradient gathered so far; undefined where none has arrived.
  const Tensor& tensor() const;
  /// Where an op's backward should put this gradient: empty if it is not wanted, a fresh buffer at first, the gathered
  /// gradient in accumulating mode afterwards.
  GradTarget target() const;
  /// Adds a finished gradient; the first one is shared, not copied.
  void add(const Tensor& gradient) const;
  /// The gradient gathered so far, in bytes that no other tensor shares; it is forgotten here.
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
  /// The value; an undefined tensor where the variable is undefined.
  const Tensor& value() const;
  /// The value, given up by its only handle, which is undefined afterwards. Throws Error where there are others.
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
