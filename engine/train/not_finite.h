// The end of a run whose numbers are not finite.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/check.h"
#include "engine/autograd/finite_watch.h"
#include "engine/comm/communicator.h"

namespace attune {

/// A loss, gradient, weight or logit that is infinite or NaN.
class NotFiniteError : public Error {
 public:
  /// `step`: the batch, from 0, whose numbers these are or after which they were found; none: the run has ended.
  NotFiniteError(const std::string& message, std::optional<std::int64_t> step, std::optional<NotFinite> tensor)
      : Error(message), step_(step), tensor_(std::move(tensor)) {}

  const std::optional<std::int64_t>& step() const { return step_; }
  /// The first tensor that is not finite; none if it was not found.
  const std::optional<NotFinite>& tensor() const { return tensor_; }

 private:
  std::optional<std::int64_t> step_;
  std::optional<NotFinite> tensor_;
};

/// The finding of the lowest rank that has one. Collective.
std::optional<NotFinite> found_on_any(Communicator& processes, const std::optional<NotFinite>& own);

/// Does the work of every process, which makes no collective calls. If it throws NotFiniteError in some of them, then the
/// error of the lowest rank is thrown in all, so that none goes on and saves the model. Collective.
void check_on_all(Communicator& processes, const std::function<void()>& work);

}  // namespace attune
