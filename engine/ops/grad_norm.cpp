#include "engine/ops/grad_norm.h"

#include <vector>

#include "base/math.h"
#include "engine/ops/run_on.h"
#include "kernels/adamw.h"

namespace attune::ops {

void grad_norm(const InPlace& norm, std::span<const Gradient> gradients) {
  const Arguments args("gradient norm", "norm", norm.tensor);
  args.require("norm", norm.tensor, {1}, DType::kFloat64);
  std::vector<kernels::GradNormTensor> raw;
  for (const auto& [values, marks] : gradients) {
    args.require("gradient", values, values.shape(), values.dtype());
    raw.push_back({.data = values.raw(), .n = values.numel(), .dtype = values.dtype()});
    if (!marks.defined()) continue;
    args.require_rank("gradient", values, 2);
    args.require("marks", marks, {marks.numel()}, DType::kInt32);
    raw.back().n = marks.numel() * values.shape()[1];
    raw.back().marks = static_cast<const std::int32_t*>(marks.raw());
    raw.back().channels = values.shape()[1];
  }
  run_on(norm.tensor.device(), [&](const auto& context) {
    kernels::grad_norm(context, {.norm = static_cast<double*>(norm.tensor.raw()), .tensors = raw});
  });
}

const std::int64_t kNormPiece = kernels::kNormPiece;

void grad_squares(const InPlace& sums, std::span<const Tensor> gradients) {
  const Arguments args("gradient squares", "sums", sums.tensor);
  std::vector<kernels::GradNormTensor> raw;
  std::int64_t pieces = 0;
  for (const Tensor& values : gradients) {
    args.require("gradient", values, values.shape(), values.dtype());
    raw.push_back({.data = values.raw(), .n = values.numel(), .dtype = values.dtype()});
    pieces += ceil_div(values.numel(), kNormPiece);
  }
  args.require("sums", sums.tensor, {pieces}, DType::kFloat64);
  run_on(sums.tensor.device(), [&](const auto& context) {
    kernels::grad_squares(context, {.sums = static_cast<double*>(sums.tensor.raw()), .tensors = raw});
  });
}

void norm_of_squares(const InPlace& norm, const Tensor& sums) {
  const Arguments args("norm of squares", "norm", norm.tensor);
  args.require("norm", norm.tensor, {1}, DType::kFloat64);
  args.require("sums", sums, {sums.numel()}, DType::kFloat64);
  run_on(norm.tensor.device(), [&](const auto& context) {
    kernels::norm_of_squares(context, {.norm = static_cast<double*>(norm.tensor.raw()),
                                       .sums = static_cast<const double*>(sums.raw()),
                                       .pieces = sums.numel()});
  });
}

void stop_at_loss(const InPlace& stop, const Tensor& loss) {
  const Arguments args("stop at a loss", "stop", stop.tensor);
  args.require("stop", stop.tensor, {1}, DType::kFloat64);
  args.require("loss", loss, loss.shape(), loss.dtype());
  CHECK(loss.numel() == 1, "stop at a loss: loss has shape ", loss.shape(), " where one number is needed");
  run_on(loss.device(), [&](const auto& context) {
    kernels::stop_at_loss(context,
                          {.stop = static_cast<double*>(stop.tensor.raw()), .loss = loss.raw(), .dtype = loss.dtype()});
  });
}

void clip_scale(const InPlace& scale, const InPlace& stop, const Tensor& norm, double max_norm) {
  const Arguments args("clip scale", "norm", norm);
  args.require("norm", norm, {1}, DType::kFloat64);
  args.require("scale", scale.tensor, {1}, DType::kFloat64);
  args.require("stop", stop.tensor, {1}, DType::kFloat64);
  run_on(norm.device(), [&](const auto& context) {
    kernels::clip_scale(context, {.scale = static_cast<double*>(scale.tensor.raw()),
                                  .stop = static_cast<double*>(stop.tensor.raw()),
                                  .norm = static_cast<const double*>(norm.raw()),
                                  .max_norm = max_norm});
  });
}

}  // namespace attune::ops
