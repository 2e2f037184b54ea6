// Rotary position embedding in place (kernels/rope.h).
//
// A thread owns one vector of channels d of one head and its partner at d + D/2, both read before either is written; a
// block 128 of them (rows.cuh). Cosines and sines come in vectors from float32 tables that stay in
// the caches. Deterministic. Moves 2 N H D elements.
#include "kernels/rope.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct RopeTraits {
  static constexpr int kThreads = 128;
};

struct RopeArguments {
  const float* cos_table;
  const float* sin_table;
  const std::int32_t* positions;
  std::int64_t row_stride;
  RowVectors vectors;
  int half;
  float sign;
};

template <class T, int W>
__global__ void __launch_bounds__(RopeTraits::kThreads) rope_kernel(T* x, RopeArguments args) {
  std::int64_t n, first_channel;
  if (!args.vectors.own<W>(n, first_channel)) return;
  const int i = static_cast<int>(first_channel), head = i / args.half, d = i % args.half;
  const std::int64_t angle = static_cast<std::int64_t>(load_global(args.positions + n)) * args.half + d;
  T* first = x + n * args.row_stride + 2 * head * args.half + d;
  T* second = first + args.half;
  float a[W], b[W], c[W], s[W];
  load(a, first);
  load(b, second);
  load(c, args.cos_table + angle);
  load(s, args.sin_table + angle);
  for (int j = 0; j < W; ++j) {
    s[j] *= args.sign;
    const float rotated = a[j] * c[j] - b[j] * s[j];
    b[j] = b[j] * c[j] + a[j] * s[j];
    a[j] = rotated;
  }
  store(first, a);
  store(second, b);
}

}  // namespace

void rope(const CudaContext& context, const Rope& args) {
  cuda::dispatch_device_float(args.dtype, "rope", [&]<class T>() {
    constexpr int kWide = cuda::kVectorWidth<T>;
    const std::int64_t half = args.head_size / 2;
    const bool wide =
        half % kWide == 0 && args.row_stride % kWide == 0 && cuda::aligned(args.x, args.cos_table, args.sin_table);
    cuda::with_width<T>(wide, [&](auto width) {
      constexpr int W = decltype(width)::value;
      const RopeArguments arguments{.cos_table = args.cos_table,
                                    .sin_table = args.sin_table,
                                    .positions = args.positions,
                                    .row_stride = args.row_stride,
                                    .vectors = RowVectors::of(args.rows, args.heads * half, W),
                                    .half = narrow<int>(half),
                                    .sign = args.inverse ? -1.0f : 1.0f};
      cuda::launch("rope", rope_kernel<T, W>, {arguments.vectors.blocks(RopeTraits::kThreads)}, {RopeTraits::kThreads},
                   0, context.stream(), static_cast<T*>(args.x), arguments);
    });
  });
}

}  // namespace attune::kernels
