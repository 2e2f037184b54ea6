#include "engine/nn/parameter.h"

#include <utility>

#include "base/check.h"

namespace attune {

Parameter::Parameter(Tensor value, Rounding rounding, Reads reads)
    : Variable(std::move(value), true), kept_(std::make_shared<Kept>(Kept{rounding, reads, Tensor()})) {}

const Tensor& Parameter::master() const {
  static const Tensor undefined;
  return kept_ == nullptr ? undefined : kept_->master;
}

void Parameter::set_master(Tensor master) const {
  CHECK(master.shape() == shape(), "a parameter of shape ", shape(), " cannot have a master copy of shape ",
        master.shape());
  kept_->master = std::move(master);
}

void Parameter::set_exact(const Tensor& from) const {
  exact().copy_from(from);
  if (master().defined()) value().copy_from(from.cast(value().dtype()));
}

}  // namespace attune
