#include "engine/ops/linear.h"

#include "engine/ops/run_on.h"
#include "kernels/linear.h"

namespace attune::ops {
namespace {

// Products of fewer multiplications leave multiprocessors of a large GPU idle (engine/tensor/side_work.h).
constexpr std::int64_t kFillsADevice = 1'000'000'000;

}  // namespace

Tensor linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Arguments args("linear", "x", x);
  args.require_rank("weight", weight, 2);
  const std::int64_t outputs = weight.shape()[0], inputs = x.shape()[-1];
  args.require("weight", weight, {outputs, inputs}, x.dtype());
  args.allow("bias", bias, {outputs}, x.dtype());
  Tensor y = Tensor::empty(with_width(x.shape(), outputs), x.dtype(), x.device());
  run_on(x.device(), [&](const auto& context) {
    kernels::linear_forward(context, {.y = y.raw(),
                                      .x = x.raw(),
                                      .weight = weight.raw(),
                                      .bias = bias.raw(),
                                      .rows = rows_of(x),
                                      .inputs = inputs,
                                      .outputs = outputs,
                                      .dtype = x.dtype()});
  });
  return y;
}

void linear_add(const InPlace& y, const Tensor& x, const Tensor& weight) {
  const Arguments args("linear addition", "x", x);
  args.require_rank("weight", weight, 2);
  const std::int64_t outputs = weight.shape()[0], inputs = x.shape()[-1];
  args.require("weight", weight, {outputs, inputs}, x.dtype());
  args.require("y", y.tensor, with_width(x.shape(), outputs), x.dtype());
  run_on(x.device(), [&](const auto& context) {
    kernels::linear_forward(context, {.y = y.tensor.raw(),
                                      .x = x.raw(),
                                      .weight = weight.raw(),
                                      .bias = nullptr,
                                      .rows = rows_of(x),
                                      .inputs = inputs,
                                      .outputs = outputs,
                                      .dtype = x.dtype(),
                                      .accumulate = true});
  });
}

void linear_backward(const LinearGrads& grads, const Tensor& dy, const Tensor& x, const Tensor& weight) {
  const Arguments args("linear backward", "dy", dy);
  args.require_rank("weight", weight, 2);
  const std::int64_t outputs = dy.shape()[-1], inputs = weight.shape()[1];
  const Shape x_shape = with_width(dy.shape(), inputs);
  args.require("weight", weight, {outputs, inputs}, dy.dtype());
  if (grads.dweight) args.require("x", x, x_shape, dy.dtype());
  args.allow("dx", grads.dx, x_shape, dy.dtype());
  args.allow("dweight", grads.dweight, weight.shape(), dy.dtype());
  args.allow("dbias", grads.dbias, {outputs}, dy.dtype());
  kernels::LinearBackward call{.dx = grads.dx.out(),
                               .dweight = grads.dweight.out(),
                               .dbias = grads.dbias.out(),
                               .dy = dy.raw(),
                               .x = x.raw(),
                               .weight = weight.raw(),
                               .rows = rows_of(dy),
                               .inputs = inputs,
                               .outputs = outputs,
                               .dtype = dy.dtype()};
  if (call.dbias && sums_aside(dy.device())) {
    sum_aside(cuda::bias_sum(call), dy);
    call.dbias = {};
  }
  if ((call.dweight || call.dbias) && rows_of(dy) * inputs * outputs < kFillsADevice) {
    kernels::LinearBackward parameters = call;
    parameters.dx = {};
    run_aside(dy.device(), {dy, x}, [&](const auto& context) { kernels::linear_backward(context, parameters); });
    call.dweight = call.dbias = {};
  }
  run_on(dy.device(), [&](const auto& context) { kernels::linear_backward(context, call); });
}

}  // namespace attune::ops
