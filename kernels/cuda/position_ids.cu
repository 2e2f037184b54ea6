// RoBERTa's positions (kernels/position_ids.h).
//
// A warp owns a sequence and walks over it 32 tokens at a time: a lane's token is counted by the votes of the lanes up
// to it. Deterministic. Moves 8 bytes per token; a sequence of 512 tokens takes 16 dependent steps.
#include "kernels/position_ids.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

__global__ void __launch_bounds__(kWarp) position_ids_kernel(PositionIds args) {
  const int begin = load_global(args.offsets + blockIdx.x), end = load_global(args.offsets + blockIdx.x + 1);
  const int lane = static_cast<int>(threadIdx.x);
  const unsigned up_to_me = kAllLanes >> (kWarp - 1 - lane);
  int counted = args.padding_id;
  for (int first = begin; first < end; first += kWarp) {
    const int n = first + lane;
    const bool real = n < end && load_global(args.ids + n) != args.padding_id;
    const unsigned votes = __ballot_sync(kAllLanes, real ? 1 : 0);
    if (n < end) store_global(args.out + n, real ? counted + __popc(votes & up_to_me) : args.padding_id);
    counted += __popc(votes);
  }
}

}  // namespace

void position_ids(const CudaContext& context, const PositionIds& args) {
  if (args.sequences == 0) return;
  cuda::launch("position_ids", position_ids_kernel, {narrow<unsigned>(args.sequences)}, {kWarp}, 0, context.stream(),
               args);
}

}  // namespace attune::kernels
