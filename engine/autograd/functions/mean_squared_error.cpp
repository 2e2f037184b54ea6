#include "engine/ops/mean_squared_error.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {
namespace {

constexpr Op kMeanSquaredError{"mean squared error", {}, NotFinite::Kind::kLoss};

}  // namespace

Variable mean_squared_error(const Variable& predictions, const Tensor& labels) {
  Tensor loss = ops::mean_squared_error_forward(predictions.value(), labels);
  if (!recording(predictions)) return unrecorded(kMeanSquaredError, std::move(loss));
  return recorded(kMeanSquaredError, std::move(loss),
                  [dpredictions = predictions.grad(), saved = predictions.value(), labels](const Tensor& dloss) {
                    ops::mean_squared_error_backward(dpredictions.target(), dloss, saved, labels);
                  });
}

}  // namespace attune
