// The order in which the gradients of a model become final.
//
// A parameter's gradient is final when backward has run the first op that reads the parameter. Backward goes through a
// model from its end, so gradients become final one after the other, in the same order at every step. The first backward
// pass finds the order out.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/nn/module.h"

namespace attune {

class GradientOrder {
 public:
  explicit GradientOrder(std::vector<NamedParameter> parameters);

  /// Before a backward pass.
  void begin();
  /// After each step of it.
  void look();
  /// After the pass. Throws Error if other parameters have a gradient than at the first one, or another number of ops has
  /// written to one.
  void end();

  /// Whether the first pass is over.
  bool known() const { return known_; }
  /// The parameters with a gradient, in the order in which it becomes final; all before the end of the first pass.
  std::size_t size() const { return slots_.size(); }
  const NamedParameter& named(std::size_t i) const { return slots_[i].named; }
  const Parameter& parameter(std::size_t i) const { return slots_[i].named.parameter; }
  /// Its number among those that the constructor was given.
  std::size_t number(std::size_t i) const { return slots_[i].number; }
  /// Whether the gradient of parameter i is final in this pass.
  bool is_final(std::size_t i) const { return slots_[i].written() == slots_[i].writes; }

 private:
  struct Slot {
    NamedParameter named;
    std::size_t number = 0;
    std::int64_t before = 0;    // Grad::writes() at begin()
    std::int64_t writes = 0;    // of a pass
    std::int64_t final_at = 0;  // the step of the first pass that wrote last
    std::int64_t written() const { return named.parameter.grad().writes() - before; }
  };
  void arrange();

  std::vector<Slot> slots_;
  std::vector<Slot> unused_;  // without a gradient
  std::int64_t step_ = 0;     // of this pass
  bool known_ = false;
};

}  // namespace attune
