#include "kernels/cross_entropy.h"

#include "engine/ops/cross_entropy.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

Arguments checked(const char* op, const Tensor& logits, const Tensor& labels, const CrossEntropySpec& spec) {
  const Arguments args(op, "logits", logits);
  args.require_rank("logits", logits, 2);
  args.require("labels", labels, {logits.shape()[0]}, DType::kInt32);
  args.allow("class_weights", spec.class_weights, {logits.shape()[1]}, statistics_dtype(logits.dtype()));
  CHECK(spec.label_smoothing >= 0 && spec.label_smoothing < 1, op, ": label smoothing of ", spec.label_smoothing,
        " is not in [0, 1)");
  return args;
}

}  // namespace

CrossEntropyOut cross_entropy_forward(const Tensor& logits, const Tensor& labels, const CrossEntropySpec& spec) {
  checked("cross entropy", logits, labels, spec);
  const std::int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  if (labels.device() == Device::kCpu)
    for (std::int32_t label : labels.values<std::int32_t>())
      CHECK(label >= 0 && label < classes, "cross entropy: label ", label, " with ", classes, " classes");
  const DType dtype = statistics_dtype(logits.dtype());
  CrossEntropyOut out{Tensor::empty({}, dtype, logits.device()), Tensor::empty({}, dtype, logits.device())};
  const Tensor losses = Tensor::empty({rows}, dtype, logits.device());
  run_on(logits.device(), [&](const auto& context) {
    kernels::cross_entropy_forward(context, {.loss = out.loss.raw(),
                                             .losses = losses.raw(),
                                             .total_weight = out.total_weight.raw(),
                                             .logits = logits.raw(),
                                             .labels = static_cast<const std::int32_t*>(labels.raw()),
                                             .class_weights = spec.class_weights.raw(),
                                             .label_smoothing = spec.label_smoothing,
                                             .rows = rows,
                                             .classes = classes,
                                             .dtype = logits.dtype()});
  });
  return out;
}

void cross_entropy_backward(const GradTarget& dlogits, const Tensor& dloss, const Tensor& total_weight,
                            const Tensor& logits, const Tensor& labels, const CrossEntropySpec& spec) {
  const Arguments args = checked("cross entropy backward", logits, labels, spec);
  args.allow("dlogits", dlogits, logits.shape(), logits.dtype());
  args.require("dloss", dloss, {}, statistics_dtype(logits.dtype()));
  args.require("total_weight", total_weight, {}, statistics_dtype(logits.dtype()));
  run_on(logits.device(), [&](const auto& context) {
    kernels::cross_entropy_backward(context, {.dlogits = dlogits.out(),
                                              .dloss = dloss.raw(),
                                              .total_weight = total_weight.raw(),
                                              .logits = logits.raw(),
                                              .labels = static_cast<const std::int32_t*>(labels.raw()),
                                              .class_weights = spec.class_weights.raw(),
                                              .label_smoothing = spec.label_smoothing,
                                              .rows = logits.shape()[0],
                                              .classes = logits.shape()[1],
                                              .dtype = logits.dtype()});
  });
}

}  // namespace attune::ops
