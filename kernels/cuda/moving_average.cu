// One step of the exponential moving average of many tensors in one launch (kernels/moving_average.h).
//
// The tensors are cut into chunks of 2048 elements; a block owns a chunk and finds its tensor by bisection in a table
// on the device, which is sent only when it changes. A thread owns 8 elements, in 16-byte vectors if the tensor's
// pointers are aligned, and reads the rate from memory. Deterministic. Moves 12 bytes per element: bound by memory
// bandwidth.
#include "kernels/moving_average.h"

#include <vector>

#include "base/math.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device/tensor_list.cuh"
#include "kernels/cuda/dispatch.h"

namespace attune::kernels {
namespace {

using namespace device;

struct MovingAverageTraits {
  static constexpr int kThreads = 256;
  static constexpr int kChunk = kThreads * 8;
};

struct Entry {
  float* average;
  const float* value;
  std::int64_t n;
  std::int32_t first_chunk;
  std::int32_t wide;  // no padding: equal tables are equal bytes
};

__global__ void __launch_bounds__(MovingAverageTraits::kThreads)
    moving_average_kernel(const Entry* entries, int count, const double* rate) {
  const Entry* own = entries + own_tensor(entries, count);
  Entry e;
  e.average = load_global(&own->average);
  e.value = load_global(&own->value);
  e.n = load_global(&own->n);
  e.first_chunk = load_global(&own->first_chunk);
  e.wide = load_global(&own->wide);
  const float share = static_cast<float>(load_global(rate));
  for_own_elements<MovingAverageTraits::kThreads, 4, 2>(
      e, own_range<MovingAverageTraits::kChunk>(e), [&](auto width, std::int64_t i) {
        float average[decltype(width)::value], value[decltype(width)::value];
        float* const own_average = in_global(e.average + i);
        load(average, own_average);
        load(value, in_global(e.value + i));
        for (int j = 0; j < decltype(width)::value; ++j) average[j] = fmaf(share, value[j] - average[j], average[j]);
        store(own_average, average);
      });
}

}  // namespace

void moving_average(const CudaContext& context, const MovingAverage& args) {
  CHECK(args.dtype == DType::kFloat32, "moving average: no CUDA implementation for dtype ", args.dtype);
  std::vector<Entry> entries;
  std::int64_t chunks = 0;
  for (const AveragedTensor& t : args.tensors) {
    if (t.n == 0) continue;
    entries.push_back({.average = static_cast<float*>(t.average),
                       .value = static_cast<const float*>(t.value),
                       .n = t.n,
                       .first_chunk = narrow<std::int32_t>(chunks),
                       .wide = cuda::aligned(t.average, t.value) ? 1 : 0});
    chunks += ceil_div(t.n, std::int64_t{MovingAverageTraits::kChunk});
  }
  if (entries.empty()) return;
  const auto* table = static_cast<const Entry*>(context.constant(std::as_bytes(std::span(entries))));
  cuda::launch("moving_average", moving_average_kernel, {narrow<unsigned>(chunks)}, {MovingAverageTraits::kThreads}, 0,
               context.stream(), table, static_cast<int>(entries.size()), args.rate);
}

}  // namespace attune::kernels
