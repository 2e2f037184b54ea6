// y = dropout(x), and y = residual + dropout(x): one kernel; it adds nothing, y itself or a residual.
//
// A thread owns one vector of channels of one row, a block 128 of them (rows.cuh). The bits of eight channels come from
// one Philox call (kernels/dropout.h), 28 multiplications for one vector: still bound by memory.
// Deterministic. Moves 2 N C elements, 3 N C with something to add.
#include "kernels/dropout.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/dropout.cuh"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"
#include "kernels/residual.h"

namespace attune::kernels {
namespace {

using namespace device;

struct DropoutTraits {
  static constexpr int kThreads = 128;
};

template <class T, int W>
__global__ void __launch_bounds__(DropoutTraits::kThreads)
    dropout_kernel(T* y, const T* added, const T* x, RowVectors vectors, DropoutPlan plan) {
  std::int64_t n, c;
  if (!vectors.own<W>(n, c)) return;
  plan.step = step_of(plan);
  const std::int64_t at = n * vectors.per_row * W + c;
  float v[W];
  load(v, x + at);
  apply_dropout(v, plan, n, c);
  if (added != nullptr) {
    float r[W];
    load(r, added + at);
    for (int i = 0; i < W; ++i) v[i] += r[i];
  }
  store(y + at, v);
}

struct Call {
  void* y;
  const void* added;
  const void* x;
  std::int64_t rows, channels;
  DropoutMask mask;
  DType dtype;
};

void run(const CudaContext& context, const char* name, const Call& call) {
  cuda::dispatch_device_float(call.dtype, name, [&]<class T>() {
    cuda::with_width<T>(
        call.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(call.y, call.added, call.x), [&](auto width) {
          constexpr int W = decltype(width)::value;
          const auto vectors = RowVectors::of(call.rows, call.channels, W);
          cuda::launch(name, dropout_kernel<T, W>, {vectors.blocks(DropoutTraits::kThreads)}, {DropoutTraits::kThreads},
                       0, context.stream(), static_cast<T*>(call.y), static_cast<const T*>(call.added),
                       static_cast<const T*>(call.x), vectors, plan_of(call.mask));
        });
  });
}

}  // namespace

void dropout(const CudaContext& context, const Dropout& args) {
  run(context, "dropout",
      {.y = args.y,
       .added = args.mode == GradMode::kAccumulate ? args.y : nullptr,
       .x = args.x,
       .rows = args.rows,
       .channels = args.channels,
       .mask = args.mask,
       .dtype = args.dtype});
}

void residual(const CudaContext& context, const Residual& args) {
  run(context, "residual",
      {.y = args.y,
       .added = args.residual,
       .x = args.x,
       .rows = args.rows,
       .channels = args.channels,
       .mask = args.dropout,
       .dtype = args.dtype});
}

}  // namespace attune::kernels
