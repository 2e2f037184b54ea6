// The affine map and its gradients: three matrix products (matmul.h) and the column sums of dy.
#include "kernels/linear.h"

#include "kernels/cuda/columns.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/matmul.h"

namespace attune::kernels {

void linear_forward(const CudaContext& context, const LinearForward& args) {
  CHECK(!args.accumulate || args.bias == nullptr, "linear: a product that is added to y has no bias");
  cuda::matmul(context, {.c = args.y,
                         .a = args.x,
                         .b = args.weight,
                         .m = args.rows,
                         .n = args.outputs,
                         .k = args.inputs,
                         .transpose_b = true,
                         .bias = args.bias,
                         .accumulate = args.accumulate,
                         .dtype = args.dtype});
}

void linear_backward(const CudaContext& context, const LinearBackward& args) {
  if (args.dx)
    cuda::matmul(context, {.c = args.dx.data,
                           .a = args.dy,
                           .b = args.weight,
                           .m = args.rows,
                           .n = args.inputs,
                           .k = args.outputs,
                           .accumulate = args.dx.accumulate(),
                           .dtype = args.dtype});
  if (args.dweight)
    cuda::matmul(context, {.c = args.dweight.data,
                           .a = args.dy,
                           .b = args.x,
                           .m = args.outputs,
                           .n = args.inputs,
                           .k = args.rows,
                           .transpose_a = true,
                           .accumulate = args.dweight.accumulate(),
                           .dtype = args.dtype});
  if (!args.dbias) return;
  const cuda::ColumnSum bias = cuda::bias_sum(args);
  cuda::sum_columns(context, {&bias, 1});
}

}  // namespace attune::kernels
