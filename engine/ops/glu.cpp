#include "kernels/glu.h"

#include "engine/ops/glu.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

// I of u: [..., 2 I].
std::int64_t half_width(const char* op, const Tensor& u) {
  CHECK(u.shape()[-1] % 2 == 0, op, ": u has shape ", u.shape(), " where an even width is needed");
  return u.shape()[-1] / 2;
}

}  // namespace

Tensor glu_forward(const Tensor& u, Activation kind) {
  const Arguments args("glu", "u", u);
  const std::int64_t channels = half_width("glu", u);
  Tensor y = Tensor::empty(with_width(u.shape(), channels), u.dtype(), u.device());
  run_on(u.device(), [&](const auto& context) {
    kernels::glu_forward(
        context,
        {.y = y.raw(), .u = u.raw(), .rows = rows_of(u), .channels = channels, .kind = kind, .dtype = u.dtype()});
  });
  return y;
}

void glu_backward(const GradTarget& du, const Tensor& dy, const Tensor& u, Activation kind) {
  const Arguments args("glu backward", "u", u);
  const std::int64_t channels = half_width("glu backward", u);
  args.require("dy", dy, with_width(u.shape(), channels), u.dtype());
  args.allow("du", du, u.shape(), u.dtype());
  run_on(u.device(), [&](const auto& context) {
    kernels::glu_backward(context, {.du = du.out(),
                                    .dy = dy.raw(),
                                    .u = u.raw(),
                                    .rows = rows_of(u),
                                    .channels = channels,
                                    .kind = kind,
                                    .dtype = u.dtype()});
  });
}

}  // namespace attune::ops
