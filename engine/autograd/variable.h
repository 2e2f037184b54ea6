// A tensor that may require a gradient.
//
// A Variable is a handle: copies share value and gradient. Ops on Variables (engine/autograd/functions.h) compute their
// value at once. If an input requires a gradient and a tape is recording, they add a backward step to the tape. A step
// captures the Grad of a variable to write to it, and its value only if the formula needs it: values that no step needs
// are freed during the forward pass.
//
// An optimizer may change the rows of a table late (LateRows). value() first brings all of them up to date, so that
// nobody else needs to know; an op that reads few rows asks for these alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/ops/grad_norm.h"
#include "engine/ops/row_gradient.h"
#include "engine/tensor/tensor.h"

namespace attune {

/// Changes the rows of one table late (kernels/adamw_rows.h).
class LateRows {
 public:
  virtual ~LateRows() = default;
  /// Brings the rows ids (int32 [N]) of the table up to date; all rows if ids is undefined.
  virtual void catch_up(const Tensor& table, const Tensor& ids) const = 0;
  virtual const ops::RowMarks& marks() const = 0;
  /// Another number after every step: rows that were up to date may then be late.
  virtual std::int64_t version() const = 0;
};

/// Where the gradient of some rows of a table goes.
struct RowTarget {
  GradTarget target;
  ops::RowSlots slots;
};

/// Some rows of a table, on the host.
struct HostRows {
  Tensor ids;     // int32 [N], ascending
  Tensor values;  // [N, C]
};

/// The gradient half of a Variable; copies share it.
class Grad {
 public:
  Grad() = default;
  Grad(const Tensor& like, bool requires_grad);

  bool requires_grad() const { return state_ != nullptr && state_->requires_grad; }
  bool defined() const { return state_ != nullptr && state_->gathered.defined(); }
  /// The gradient accumulated so far; undefined if there is none.
  const Tensor& tensor() const;
  /// The same as it is kept: of a table whose rows are late, perhaps the values of some rows, with marks.
  ops::Gradient kept() const;
  /// Where an op's backward writes this gradient: empty if it is not needed, a new buffer at first, later the
  /// accumulated gradient in accumulating mode.
  GradTarget target() const;
  /// The same for an op that has read only the rows ids of a table, when Variable::version() was `version`.
  RowTarget row_target(const Tensor& ids, std::int64_t version) const;
  /// Adds a finished gradient; the first one is shared, not copied.
  void add(const Tensor& gradient) const;
  /// The rows of a table with late rows that have a gradient, if it has one.
  HostRows rows() const;
  /// Replaces its gradient by that of these rows.
  void set_rows(const HostRows& rows) const;
  /// The gradient accumulated so far, in bytes that no other tensor shares; removes it from this variable.
  Tensor take() const;
  void clear() const;
  /// From now on the gradient lies in the bytes of `home`, which is of the variable's shape, type and device; an undefined
  /// one ends that. A gradient that is there already moves. Not for a table whose rows are late.
  void set_home(const Tensor& home) const;
  /// How often an op was given the place to write this gradient to, or a gradient was added.
  std::int64_t writes() const { return state_ == nullptr ? 0 : state_->writes; }
  /// The name of an element of the variable, for errors (Variable::set_names).
  std::string name_of(std::int64_t element) const;
  /// Whether both are the gradient of one variable.
  friend bool operator==(const Grad&, const Grad&) = default;

 private:
  friend class Variable;
  struct State {
    Shape shape;
    DType dtype;
    Device device;
    bool requires_grad;
    Tensor gathered;                 // compact if its shape is not that of the value
    Tensor home;                     // where it lies; undefined: each time in bytes of its own
    std::shared_ptr<LateRows> late;  // null: all rows are always up to date
    std::shared_ptr<Tensor> table;   // whose rows are late
    std::vector<std::string> names;  // of equal parts of the rows
    std::int64_t writes = 0;
  };
  bool compact() const { return defined() && state_->gathered.shape() != state_->shape; }
  void spread(bool every_row) const;

  std::shared_ptr<State> state_;
};

class Variable {
 public:
  /// An undefined variable, e.g. the bias of a layer that has none.
  Variable() = default;
  explicit Variable(Tensor value, bool requires_grad = false);

  bool defined() const { return value_ != nullptr; }
  /// The value; an undefined tensor if the variable is undefined. Rows that are late catch up first; a tensor that is
  /// kept may lack later steps.
  const Tensor& value() const { return value_of_rows({}); }
  /// The same for a reader of the rows ids (int32 [N]) alone: only they catch up.
  const Tensor& value_of_rows(const Tensor& ids) const;
  /// The same for an optimizer: no row catches up.
  const Tensor& late_value() const;
  /// Moves the value out of its only handle, which is undefined afterwards. Throws Error if other handles exist.
  Tensor release() &&;
  /// Replaces the value by one of the same shape (loading, initialising). Throws Error on another shape.
  void set_value(Tensor value) const;
  const Shape& shape() const { return late_value().shape(); }

  /// From now on `late` changes the rows of this table, or nobody does if it is null. Rows that another one has left
  /// late catch up first.
  void set_late_rows(std::shared_ptr<LateRows> late) const;
  const std::shared_ptr<LateRows>& late_rows() const { return grad_.state_->late; }
  /// LateRows::version(); 0 if no row is ever late.
  std::int64_t version() const;

  /// The names of the equal parts of its rows, for errors: one, or those of the tensors that were fused.
  void set_names(std::vector<std::string> names) const { grad_.state_->names = std::move(names); }
  const std::vector<std::string>& names() const { return grad_.state_->names; }

  bool requires_grad() const { return grad_.requires_grad(); }
  void set_requires_grad(bool requires_grad) const { grad_.state_->requires_grad = requires_grad; }
  const Grad& grad() const { return grad_; }

 private:
  std::shared_ptr<Tensor> value_;
  Grad grad_;
};

}  // namespace attune
