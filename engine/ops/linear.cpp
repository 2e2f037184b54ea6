#include "engine/ops/linear.h"

#include "engine/ops/run_on.h"
#include "kernels/linear.h"

namespace attune::ops {

Tensor linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  CHECK(weight.shape().rank() == 2 && x.shape().rank() >= 1 && x.shape()[-1] == weight.shape()[1], "linear: input ",
        x.shape(), " does not fit weight ", weight.shape());
  const std::int64_t outputs = weight.shape()[0];
  check_optional(bias, {outputs}, x.dtype(), "linear", "bias");
  check_tensor(weight, weight.shape(), x.dtype(), "linear", "weight");
  Shape shape;
  for (int i = 0; i + 1 < x.shape().rank(); ++i) shape.append(x.shape()[i]);
  shape.append(outputs);
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::linear_forward(context, {.y = y.raw(),
                                      .x = x.raw(),
                                      .weight = weight.raw(),
                                      .bias = bias.raw(),
                                      .rows = rows_of(x),
                                      .inputs = x.shape()[-1],
                                      .outputs = outputs,
                                      .dtype = x.dtype()});
  });
  return y;
}

void linear_backward(const LinearGrads& grads, const Tensor& dy, const Tensor& x, const Tensor& weight) {
  const std::int64_t rows = rows_of(dy), inputs = weight.shape()[1], outputs = weight.shape()[0];
  run_on(dy.device(), [&](const auto& context) {
    kernels::linear_backward(context, {.dx = grads.dx.out(),
                                       .dweight = grads.dweight.out(),
                                       .dbias = grads.dbias.out(),
                                       .dy = dy.raw(),
                                       .x = x.raw(),
                                       .weight = weight.raw(),
                                       .rows = rows,
                                       .inputs = inputs,
                                       .outputs = outputs,
                                       .dtype = dy.dtype()});
  });
}

}  // namespace attune::ops
