#include "engine/ops/elementwise.h"

#include "engine/ops/run_on.h"
#include "kernels/cast.h"
#include "kernels/elementwise.h"
#include "kernels/glu.h"
#include "kernels/residual.h"

namespace attune::ops {

Tensor activation_forward(const Tensor& x, Activation kind) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::activation_forward(context,
                                {.y = y.raw(), .x = x.raw(), .n = x.numel(), .kind = kind, .dtype = x.dtype()});
  });
  return y;
}

void activation_backward(const GradTarget& dx, const Tensor& dy, const Tensor& x, Activation kind) {
  check_tensor(dy, x.shape(), x.dtype(), "activation backward", "dy");
  run_on(x.device(), [&](const auto& context) {
    kernels::activation_backward(
        context, {.dx = dx.out(), .dy = dy.raw(), .x = x.raw(), .n = x.numel(), .kind = kind, .dtype = x.dtype()});
  });
}

Tensor glu_forward(const Tensor& u, Activation kind) {
  CHECK(u.shape()[-1] % 2 == 0, "glu: the width of ", u.shape(), " is odd");
  const std::int64_t channels = u.shape()[-1] / 2;
  Tensor y = Tensor::empty({rows_of(u), channels}, u.dtype(), u.device());
  run_on(u.device(), [&](const auto& context) {
    kernels::glu_forward(
        context,
        {.y = y.raw(), .u = u.raw(), .rows = rows_of(u), .channels = channels, .kind = kind, .dtype = u.dtype()});
  });
  return y;
}

void glu_backward(const GradTarget& du, const Tensor& dy, const Tensor& u, Activation kind) {
  check_tensor(dy, {rows_of(u), u.shape()[-1] / 2}, u.dtype(), "glu backward", "dy");
  run_on(u.device(), [&](const auto& context) {
    kernels::glu_backward(context, {.du = du.out(),
                                    .dy = dy.raw(),
                                    .u = u.raw(),
                                    .rows = rows_of(u),
                                    .channels = dy.shape()[-1],
                                    .kind = kind,
                                    .dtype = u.dtype()});
  });
}

Tensor dropout(const Tensor& x, const DropoutSpec& spec) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  dropout_backward({y, GradMode::kWrite}, x, spec);
  return y;
}

void dropout_backward(const GradTarget& dx, const Tensor& dy, const DropoutSpec& spec) {
  run_on(dy.device(), [&](const auto& context) {
    kernels::dropout(context, {.y = dx.tensor.raw(),
                               .x = dy.raw(),
                               .rows = rows_of(dy),
                               .channels = dy.shape()[-1],
                               .mask = spec.mask(),
                               .mode = dx.mode,
                               .dtype = dy.dtype()});
  });
}

Tensor residual_forward(const Tensor& residual, const Tensor& x, const DropoutSpec& spec) {
  check_tensor(residual, x.shape(), x.dtype(), "residual", "residual");
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::residual(context, {.y = y.raw(),
                                .residual = residual.raw(),
                                .x = x.raw(),
                                .rows = rows_of(x),
                                .channels = x.shape()[-1],
                                .dropout = spec.mask(),
                                .dtype = x.dtype()});
  });
  return y;
}

void scale_into(const GradTarget& target, const Tensor& x, double alpha) {
  check_tensor(target.tensor, x.shape(), x.dtype(), "scale", "target");
  run_on(x.device(), [&](const auto& context) {
    kernels::scale(context, {.y = target.tensor.raw(),
                             .x = x.raw(),
                             .n = x.numel(),
                             .alpha = alpha,
                             .mode = target.mode,
                             .dtype = x.dtype()});
  });
}

Tensor cast(const Tensor& x, DType dtype) {
  if (dtype == x.dtype()) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::cast(context, {.y = y.raw(), .x = x.raw(), .n = x.numel(), .to = dtype, .from = x.dtype()});
  });
  return y;
}

void fill(const Tensor& x, double value) {
  run_on(x.device(), [&](const auto& context) {
    kernels::fill(context, {.y = x.raw(), .n = x.numel(), .value = value, .dtype = x.dtype()});
  });
}

}  // namespace attune::ops
