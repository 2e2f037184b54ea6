// Row gradients (kernels/row_gradient.h): marks are cleared, or values are spread over all rows.
//
// Clearing gives a thread to each mark. Spreading gives a warp to each row, whose lanes write 16-byte vectors if the
// pointers and the row allow it: bound by memory bandwidth. Deterministic.
#include "kernels/row_gradient.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct RowGradientTraits {
  static constexpr int kThreads = 256;
  static constexpr int kRows = kThreads / kWarp;  // of a block that spreads
};

__global__ void __launch_bounds__(RowGradientTraits::kThreads) clear_kernel(RowMarks marks) {
  const std::int64_t row = global_index();
  if (row >= marks.rows || load_global(marks.marks + row) < kFirstSlot) return;
  store_global(marks.marks + row, load_global(marks.steps));
}

template <int W>
__global__ void __launch_bounds__(RowGradientTraits::kThreads) spread_kernel(SpreadRowGradient args) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * RowGradientTraits::kRows + threadIdx.x / kWarp;
  if (row >= args.marks.rows) return;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const std::int32_t slot = load_global(args.marks.marks + row) - kFirstSlot;
  const bool there = slot >= 0 && slot < args.slots;
  const auto* from = static_cast<const float*>(args.values) + (there ? slot * args.channels : 0);
  auto* to = static_cast<float*>(args.dense) + row * args.channels;
  for (std::int64_t c = lane * W; c < args.channels; c += kWarp * W) {
    float x[W] = {};
    if (there) load(x, from + c);
    store(to + c, x);
  }
  __syncwarp();  // all lanes have read the mark
  if (lane == 0 && (slot >= 0 || args.every_row))
    store_global(args.marks.marks + row, kFirstSlot + static_cast<std::int32_t>(row));
}

}  // namespace

void clear_row_gradient(const CudaContext& context, const RowMarks& marks) {
  cuda::launch("clear_row_gradient", clear_kernel, {cuda::blocks_for(marks.rows, RowGradientTraits::kThreads)},
               {RowGradientTraits::kThreads}, 0, context.stream(), marks);
}

void spread_row_gradient(const CudaContext& context, const SpreadRowGradient& args) {
  CHECK(args.dtype == DType::kFloat32, "row gradients of ", name_of(args.dtype), " have no CUDA implementation");
  const bool wide = args.channels % 4 == 0 && cuda::aligned(args.dense, args.values);
  cuda::with_width<float>(wide, [&](auto width) {
    cuda::launch("spread_row_gradient", spread_kernel<decltype(width)::value>,
                 {cuda::blocks_for(args.marks.rows, RowGradientTraits::kRows)}, {RowGradientTraits::kThreads}, 0,
                 context.stream(), args);
  });
}

}  // namespace attune::kernels
