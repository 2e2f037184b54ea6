#include "kernels/linear.h"

#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/reduce.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T>
void multiply(const CpuContext& context, const Gemm<T>& product) {
  if constexpr (std::is_same_v<T, float>)
    if (context.bfloat16_products) return bfloat16_gemm(product);
  parallel_gemm(product);
}

template <class T>
ATTUNE_INLINE void sum_rows(T* out, const T* x, std::int64_t rows, std::int64_t channels) {
  std::fill(out, out + channels, T(0));
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t c = 0; c < channels; ++c) out[c] += x[n * channels + c];
}

template <class T>
void bias_gradient(const LinearBackward& args) {
  const RowChunks chunks(args.rows);
  T* partials = scratch<T>(ScratchSlot::kPartials, chunks.count * args.outputs);
  parallel_for(args.rows, chunks.size, [&](std::int64_t begin, std::int64_t end) {
    vectorized<sum_rows<T>>(partials + begin / chunks.size * args.outputs,
                            static_cast<const T*>(args.dy) + begin * args.outputs, end - begin, args.outputs);
  });
  add_partials(static_cast<T*>(args.dbias.data), args.dbias.accumulate(), partials, chunks.count, args.outputs,
               args.outputs);
}

}  // namespace

void linear_forward(const CpuContext& context, const LinearForward& args) {
  CHECK(!args.accumulate || args.bias == nullptr, "linear: a product that is added to y has no bias");
  dispatch_float(args.dtype, "linear", [&]<class T>() {
    multiply<T>(context, {.c = static_cast<T*>(args.y),
                          .ldc = args.outputs,
                          .a = static_cast<const T*>(args.x),
                          .lda = args.inputs,
                          .b = static_cast<const T*>(args.weight),
                          .ldb = args.inputs,
                          .transpose_b = true,
                          .m = args.rows,
                          .n = args.outputs,
                          .k = args.inputs,
                          .accumulate = args.accumulate,
                          .bias = static_cast<const T*>(args.bias)});
  });
}

void linear_backward(const CpuContext& context, const LinearBackward& args) {
  dispatch_float(args.dtype, "linear backward", [&]<class T>() {
    const T* dy = static_cast<const T*>(args.dy);
    if (args.dx)
      multiply<T>(context, {.c = static_cast<T*>(args.dx.data),
                            .ldc = args.inputs,
                            .a = dy,
                            .lda = args.outputs,
                            .b = static_cast<const T*>(args.weight),
                            .ldb = args.inputs,
                            .m = args.rows,
                            .n = args.inputs,
                            .k = args.outputs,
                            .accumulate = args.dx.accumulate()});
    if (args.dweight)
      multiply<T>(context, {.c = static_cast<T*>(args.dweight.data),
                            .ldc = args.inputs,
                            .a = dy,
                            .lda = args.outputs,
                            .transpose_a = true,
                            .b = static_cast<const T*>(args.x),
                            .ldb = args.inputs,
                            .m = args.outputs,
                            .n = args.inputs,
                            .k = args.rows,
                            .accumulate = args.dweight.accumulate()});
    if (args.dbias) bias_gradient<T>(args);
  });
}

}  // namespace attune::kernels
