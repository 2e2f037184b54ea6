// A Variable that outlives the step: a value that the model learns.
//
// An optimizer acts on the exact (float32) value. If matrix products read a parameter in bfloat16, its value is the
// rounded copy, and the exact value is kept as the parameter's master. A Parameter is a handle, like a Variable.
#pragma once

#include <memory>

#include "engine/autograd/variable.h"

namespace attune {

class Parameter : public Variable {
 public:
  /// Whether the value of a parameter may be rounded in bfloat16.
  enum class Rounding : std::uint8_t { kAllowed, kNever };
  /// What ops read of a parameter: everything, or the rows of a table that their batch uses.
  enum class Reads : std::uint8_t { kWhole, kRows };

  /// An undefined parameter, e.g. the bias of a layer that has none.
  Parameter() = default;
  /// A trainable parameter that begins with `value`.
  Parameter(Tensor value, Rounding rounding, Reads reads = Reads::kWhole);

  Rounding rounding() const { return kept_ == nullptr ? Rounding::kNever : kept_->rounding; }
  Reads reads() const { return kept_ == nullptr ? Reads::kWhole : kept_->reads; }
  /// The float32 value that a bfloat16 value is the rounding of; undefined if the value itself is exact.
  const Tensor& master() const;
  /// Throws Error if the shape is not the value's.
  void set_master(Tensor master) const;
  /// The value that an optimizer changes and a checkpoint contains: the master if there is one, else the value.
  const Tensor& exact() const { return master().defined() ? master() : value(); }
  /// Copies a host tensor of the exact value's shape and dtype into it, and rounds it into the value.
  void set_exact(const Tensor& from) const;

 private:
  struct Kept {
    Rounding rounding;
    Reads reads;
    Tensor master;
  };
  std::shared_ptr<Kept> kept_;
};

}  // namespace attune
