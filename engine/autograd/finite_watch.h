// Finds the first tensor of a step that is not finite.
//
// While a FiniteWatch lives, every op of this thread shows it its output, and every backward step the gradients that it
// has written. Each is read on the host, so such a step is slow: it is one that has failed already and is run again.
//
// A weight is blamed for the output that it spoils. Tensors are named by the published names of the parameters
// (Variable::set_names); an activation by its op and, if the op has no parameters, by the last layer before it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/autograd/variable.h"

namespace attune {

/// A tensor that is not finite. Its text completes "the first tensor that is not finite is ...".
struct NotFinite {
  enum class Kind : std::uint8_t { kWeight, kActivation, kGradient, kLoss };

  Kind kind;
  std::string name;  // of a weight, or of the parameter of a gradient: its published name

  /// The kind as one word: weight, activation, gradient, loss.
  const char* kind_name() const;
  std::string text() const;
};

/// An op as errors name its outputs.
struct Op {
  const char* name;
  std::array<const Variable*, 3> parameters = {};  // the weight of a layer first; null: no more
  NotFinite::Kind kind = NotFinite::Kind::kActivation;
};

class FiniteWatch {
 public:
  FiniteWatch();
  ~FiniteWatch();
  FiniteWatch(const FiniteWatch&) = delete;
  FiniteWatch& operator=(const FiniteWatch&) = delete;

  /// The one of this thread, or null.
  static FiniteWatch* current();

  void see_output(const Op& op, const Variable& output);
  /// A gradient that a step of backward writes; see_gradients(), at the end of the step, looks at all of them.
  void note_gradient(const Grad& gradient);
  void see_gradients();

  /// The first tensor found so far.
  const std::optional<NotFinite>& found() const { return found_; }

 private:
  FiniteWatch* previous_;
  std::string layer_;  // the last one with parameters
  std::vector<Grad> gradients_;
  std::optional<NotFinite> found_;
};

}  // namespace attune
