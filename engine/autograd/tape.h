// The record of one forward pass.
//
// Ops append themselves as they run, so the order of the tape is a topological order and backward is a loop from its
// end. Each step is dropped as soon as it has run, and with it the tensors it had saved.
//
//   Tape tape;
//   { Tape::Recording recording(tape); loss = cross_entropy(model.forward(...), labels); }
//   tape.backward(loss);
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/autograd/variable.h"

namespace attune {

class Tape {
 public:
  /// Whether recorded steps are kept. A tape that drops them only finds out which outputs require a gradient.
  enum class Steps : std::uint8_t { kKept, kDropped };

  explicit Tape(Steps steps = Steps::kKept) : keeps_(steps == Steps::kKept) {}

  /// While it lives, ops of this thread are recorded on `tape`.
  class Recording {
   public:
    explicit Recording(Tape& tape);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    Tape* previous_;
  };

  /// The tape that ops of this thread are recorded on, or null.
  static Tape* current();

  /// Appends the step that produced variables with these gradients. `backward` runs only if one of them has received a
  /// gradient; it reads them and adds to the gradients of the inputs it captured.
  void record(std::vector<Grad> outputs, std::function<void()> backward);

  /// Adds to the gradients of everything `outputs` depend on, given the gradient of each: of its shape and type, or
  /// undefined if it has none. Outputs that require no gradient are skipped. Empties the tape. `after_step` is called
  /// after each step.
  void backward(const std::vector<Variable>& outputs, std::vector<Tensor> gradients,
                const std::function<void()>& after_step = {});
  /// The same for one number: d loss / d loss = `seed`. Throws Error if `loss` has more than one element or depends on
  /// nothing that requires a gradient.
  void backward(const Variable& loss, double seed = 1, const std::function<void()>& after_step = {});

  std::size_t size() const { return steps_.size(); }

 private:
  struct Step {
    std::vector<Grad> outputs;
    std::function<void()> backward;
  };
  bool keeps_;
  std::vector<Step> steps_;
};

/// While it lives, ops of this thread are not recorded (evaluation inside a recording).
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  Tape* previous_;
};

}  // namespace attune
