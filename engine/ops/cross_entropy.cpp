#include "engine/ops/cross_entropy.h"

#include "engine/ops/run_on.h"
#include "kernels/cross_entropy.h"

namespace attune::ops {

Tensor cross_entropy_forward(const Tensor& logits, const Tensor& labels) {
  CHECK(logits.shape().rank() == 2, "cross entropy: logits of shape ", logits.shape());
  const std::int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  check_tensor(labels, {rows}, DType::kInt32, "cross entropy", "labels");
  if (labels.device() == Device::kCpu)
    for (std::int32_t label : labels.values<std::int32_t>())
      CHECK(label >= 0 && label < classes, "cross entropy: label ", label, " with ", classes, " classes");
  const DType dtype = statistics_dtype(logits.dtype());
  Tensor loss = Tensor::empty({}, dtype, logits.device());
  Tensor losses = Tensor::empty({rows}, dtype, logits.device());
  run_on(logits.device(), [&](const auto& context) {
    kernels::cross_entropy_forward(context, {.loss = loss.raw(),
                                             .losses = losses.raw(),
                                             .logits = logits.raw(),
                                             .labels = static_cast<const std::int32_t*>(labels.raw()),
                                             .rows = rows,
                                             .classes = classes,
                                             .dtype = logits.dtype()});
  });
  return loss;
}

void cross_entropy_backward(const GradTarget& dlogits, const Tensor& dloss, const Tensor& logits,
                            const Tensor& labels) {
  run_on(logits.device(), [&](const auto& context) {
    kernels::cross_entropy_backward(context, {.dlogits = dlogits.out(),
                                              .dloss = dloss.raw(),
                                              .logits = logits.raw(),
                                              .labels = static_cast<const std::int32_t*>(labels.raw()),
                                              .rows = logits.shape()[0],
                                              .classes = logits.shape()[1],
                                              .dtype = logits.dtype()});
  });
}

}  // namespace attune::ops
