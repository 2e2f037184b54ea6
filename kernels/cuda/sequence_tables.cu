// Tables of a batch (sequence_tables.h). One thread per sequence and one more; each moves 24 bytes. The time is launch
// time.
#include "kernels/cuda/sequence_tables.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::cuda {
namespace {

using namespace device;

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) sequence_tables_kernel(SequenceTables args) {
  const int b = static_cast<int>(global_index());
  if (b > args.sequences) return;
  const int begin = load_global(args.offsets + b);
  store_global(args.strided_places + b, begin * args.row_stride);
  store_global(args.dense_places + b, begin * args.width);
  store_global(args.statistic_places + b, begin * args.heads);
  if (b == args.sequences) return;
  const bool all = args.key_lengths == nullptr;
  store_global(args.lengths + b, all ? load_global(args.offsets + b + 1) - begin : load_global(args.key_lengths + b));
}

}  // namespace

void sequence_tables(const kernels::CudaContext& context, const SequenceTables& args) {
  launch("sequence_tables", sequence_tables_kernel, {blocks_for(args.sequences + 1, kThreads)}, {kThreads}, 0,
         context.stream(), args);
}

}  // namespace attune::cuda
