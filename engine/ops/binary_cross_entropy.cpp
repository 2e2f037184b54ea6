#include "kernels/binary_cross_entropy.h"

#include "engine/ops/binary_cross_entropy.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

Arguments checked(const char* op, const Tensor& logits, const Tensor& labels, const Tensor& pos_weights) {
  const Arguments args(op, "logits", logits);
  args.require_rank("logits", logits, 2);
  args.require("labels", labels, logits.shape(), DType::kFloat32);
  args.allow("pos_weights", pos_weights, {logits.shape()[1]}, statistics_dtype(logits.dtype()));
  return args;
}

}  // namespace

Tensor binary_cross_entropy_forward(const Tensor& logits, const Tensor& labels, const Tensor& pos_weights) {
  checked("binary cross entropy", logits, labels, pos_weights);
  if (labels.device() == Device::kCpu)
    for (float label : labels.values<float>())
      CHECK(label >= 0 && label <= 1, "binary cross entropy: label ", label, " is not in [0, 1]");
  Tensor loss = Tensor::empty({}, statistics_dtype(logits.dtype()), logits.device());
  run_on(logits.device(), [&](const auto& context) {
    kernels::binary_cross_entropy_forward(context, {.loss = loss.raw(),
                                                    .logits = logits.raw(),
                                                    .labels = static_cast<const float*>(labels.raw()),
                                                    .pos_weights = pos_weights.raw(),
                                                    .rows = logits.shape()[0],
                                                    .classes = logits.shape()[1],
                                                    .dtype = logits.dtype()});
  });
  return loss;
}

void binary_cross_entropy_backward(const GradTarget& dlogits, const Tensor& dloss, const Tensor& logits,
                                   const Tensor& labels, const Tensor& pos_weights) {
  const Arguments args = checked("binary cross entropy backward", logits, labels, pos_weights);
  args.allow("dlogits", dlogits, logits.shape(), logits.dtype());
  args.require("dloss", dloss, {}, statistics_dtype(logits.dtype()));
  run_on(logits.device(), [&](const auto& context) {
    kernels::binary_cross_entropy_backward(context, {.dlogits = dlogits.out(),
                                                     .dloss = dloss.raw(),
                                                     .logits = logits.raw(),
                                                     .labels = static_cast<const float*>(labels.raw()),
                                                     .pos_weights = pos_weights.raw(),
                                                     .rows = logits.shape()[0],
                                                     .classes = logits.shape()[1],
                                                     .dtype = logits.dtype()});
  });
}

}  // namespace attune::ops
