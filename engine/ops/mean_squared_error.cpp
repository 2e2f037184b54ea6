#include "kernels/mean_squared_error.h"

#include "engine/ops/mean_squared_error.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

Arguments checked(const char* op, const Tensor& predictions, const Tensor& labels) {
  const Arguments args(op, "predictions", predictions);
  args.require("labels", labels, predictions.shape(), DType::kFloat32);
  return args;
}

}  // namespace

Tensor mean_squared_error_forward(const Tensor& predictions, const Tensor& labels) {
  checked("mean squared error", predictions, labels);
  Tensor loss = Tensor::empty({}, statistics_dtype(predictions.dtype()), predictions.device());
  run_on(predictions.device(), [&](const auto& context) {
    kernels::mean_squared_error_forward(context, {.loss = loss.raw(),
                                                  .predictions = predictions.raw(),
                                                  .labels = static_cast<const float*>(labels.raw()),
                                                  .n = predictions.numel(),
                                                  .dtype = predictions.dtype()});
  });
  return loss;
}

void mean_squared_error_backward(const GradTarget& dpredictions, const Tensor& dloss, const Tensor& predictions,
                                 const Tensor& labels) {
  const Arguments args = checked("mean squared error backward", predictions, labels);
  args.allow("dpredictions", dpredictions, predictions.shape(), predictions.dtype());
  args.require("dloss", dloss, {}, statistics_dtype(predictions.dtype()));
  run_on(predictions.device(), [&](const auto& context) {
    kernels::mean_squared_error_backward(context, {.dpredictions = dpredictions.out(),
                                                   .dloss = dloss.raw(),
                                                   .predictions = predictions.raw(),
                                                   .labels = static_cast<const float*>(labels.raw()),
                                                   .n = predictions.numel(),
                                                   .dtype = predictions.dtype()});
  });
}

}  // namespace attune::ops
