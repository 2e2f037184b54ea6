// Sum of up to three table rows per token, and the gradient of one table (kernels/embedding.h).
//
// Forward: a thread owns a vector of channels of a token, a block 128 of them (rows.cuh). Moves up to 4 N C elements.
//
// Backward without atomics: tokens are sorted by id, equal ids in token order (sort.h). The sorted list is cut into
// chunks of 32; a block adds the rows of each run of equal ids inside its chunk, in order. A run within one chunk goes
// to the table; the parts of a longer run go to float32 partials, which the run's first chunk adds in a second kernel.
// The slot of a row is the place of one of its tokens in the sorted list. Deterministic. Reads dy once.
#include "kernels/embedding.h"

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/rows.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/sort.h"
#include "kernels/row_gradient.h"

namespace attune::kernels {
namespace {

using namespace device;

struct EmbeddingTraits {
  static constexpr int kThreads = 128;
  static constexpr int kChunk = 32;  // sorted tokens of a block
};

template <class T>
struct Tables {
  const T* table[3];  // added in this order; null is skipped
  const std::int32_t* ids[3];
};

template <class T, int W>
__global__ void __launch_bounds__(EmbeddingTraits::kThreads)
    embedding_forward_kernel(T* y, Tables<T> tables, RowVectors vectors) {
  const std::int64_t channels = static_cast<std::int64_t>(vectors.per_row) * W;
  std::int64_t n, c;
  if (!vectors.own<W>(n, c)) return;
  float sum[W] = {};
  for (int k = 0; k < 3; ++k) {
    if (tables.table[k] == nullptr) continue;
    float v[W];
    load(v, tables.table[k] + load_global(tables.ids[k] + n) * channels + c);
    for (int i = 0; i < W; ++i) sum[i] += v[i];
  }
  store(y + n * channels + c, sum);
}

template <class T>
struct Scatter {
  T* dtable;
  bool accumulate;
  float* partials;  // [chunks, 2, C]: the chunk's part of the run it shares with the chunk before, and of the one after
  const T* dy;
  const std::int32_t* tokens;      // [N] in order of id
  const std::int32_t* sorted_ids;  // [N]
  int count;
  std::int64_t channels;
  int padding_id;
  std::int32_t* marks;
  bool compact;

  // Channel c of the gradient of row `id`, which has the token at `place`; marks the row.
  __device__ T* gradient(int id, int place, std::int64_t c) const {
    const int slot = compact ? place : id;
    if (marks != nullptr && c == 0) store_global(marks + id, kFirstSlot + slot);
    return dtable + slot * channels + c;
  }
};

template <class T, int W>
__global__ void __launch_bounds__(EmbeddingTraits::kThreads) embedding_scatter_kernel(Scatter<T> args) {
  const std::int64_t c = (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * W;
  if (c >= args.channels) return;
  const int begin = static_cast<int>(blockIdx.x) * EmbeddingTraits::kChunk;
  const int end = begin + EmbeddingTraits::kChunk < args.count ? begin + EmbeddingTraits::kChunk : args.count;
  const auto id_at = [&](int i) { return i < 0 || i >= args.count ? -1 : load_global(args.sorted_ids + i); };
  float* partials = args.partials + static_cast<std::int64_t>(blockIdx.x) * 2 * args.channels + c;
  float sum[W] = {};
  int run_begin = begin;
  for (int i = begin; i < end; ++i) {
    float v[W];
    load(v, args.dy + load_global(args.tokens + i) * args.channels + c);
    for (int j = 0; j < W; ++j) sum[j] += v[j];
    const int id = id_at(i);
    if (i + 1 < end && id_at(i + 1) == id) continue;
    // The run ends here, or continues in the next chunk.
    const bool shared_before = run_begin == begin && id_at(begin - 1) == id;
    const bool shared_after = i + 1 == end && id_at(end) == id;
    if (shared_before || shared_after)
      store(partials + (shared_before ? 0 : args.channels), sum);
    else if (id != args.padding_id)
      store_gradient(args.gradient(id, run_begin, c), sum, args.accumulate);
    for (int j = 0; j < W; ++j) sum[j] = 0;
    run_begin = i + 1;
  }
}

// The block of a chunk in which a shared run begins adds the run's parts.
template <class T, int W>
__global__ void __launch_bounds__(EmbeddingTraits::kThreads) embedding_join_kernel(Scatter<T> args) {
  const std::int64_t c = (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * W;
  const int begin = static_cast<int>(blockIdx.x) * EmbeddingTraits::kChunk, end = begin + EmbeddingTraits::kChunk;
  if (c >= args.channels || end >= args.count) return;
  const int id = load_global(args.sorted_ids + end);
  if (load_global(args.sorted_ids + end - 1) != id || id == args.padding_id)
    return;  // no run is shared with the next chunk
  if (begin > 0 && load_global(args.sorted_ids + begin - 1) == id && load_global(args.sorted_ids + begin) == id)
    return;                          // it began earlier
  int low = end, high = args.count;  // the end of the run, so that its parts can be loaded ahead
  while (low < high) {
    const int middle = (low + high) / 2;
    if (load_global(args.sorted_ids + middle) == id)
      low = middle + 1;
    else
      high = middle;
  }
  float sum[W];
  load(sum, args.partials + (static_cast<std::int64_t>(blockIdx.x) * 2 + 1) * args.channels + c);
  const int next_chunk = (low + EmbeddingTraits::kChunk - 1) / EmbeddingTraits::kChunk;
#pragma unroll 8
  for (int chunk = static_cast<int>(blockIdx.x) + 1; chunk < next_chunk; ++chunk) {
    float v[W];
    load(v, args.partials + static_cast<std::int64_t>(chunk) * 2 * args.channels + c);
    for (int i = 0; i < W; ++i) sum[i] += v[i];
  }
  store_gradient(args.gradient(id, end, c), sum, args.accumulate);
}

}  // namespace

void embedding_forward(const CudaContext& context, const EmbeddingForward& args) {
  cuda::dispatch_device_float(args.dtype, "embedding", [&]<class T>() {
    Tables<T> tables;
    const EmbeddingTable* inputs[] = {&args.words, &args.types, &args.positions};
    for (int k = 0; k < 3; ++k)
      tables.table[k] = static_cast<const T*>(inputs[k]->table), tables.ids[k] = inputs[k]->ids;
    const bool wide = args.channels % cuda::kVectorWidth<T> == 0 &&
                      cuda::aligned(args.y, tables.table[0], tables.table[1], tables.table[2]);
    cuda::with_width<T>(wide, [&](auto width) {
      constexpr int W = decltype(width)::value;
      const auto vectors = RowVectors::of(args.tokens, args.channels, W);
      cuda::launch("embedding_forward", embedding_forward_kernel<T, W>, {vectors.blocks(EmbeddingTraits::kThreads)},
                   {EmbeddingTraits::kThreads}, 0, context.stream(), static_cast<T*>(args.y), tables, vectors);
    });
  });
}

void embedding_backward(const CudaContext& context, const EmbeddingBackward& args) {
  if (!args.dtable) return;
  cuda::dispatch_device_float(args.dtype, "embedding backward", [&]<class T>() {
    const int count = narrow<int>(args.tokens);
    if (!args.dtable.accumulate() && !args.compact)
      cuda::set_zero(args.dtable.data, static_cast<std::size_t>(args.rows * args.channels) * sizeof(T),
                     context.stream());
    if (count == 0) return;
    const unsigned chunks = cuda::blocks_for(count, EmbeddingTraits::kChunk);
    const cuda::Scratch sorted(static_cast<std::size_t>(2 * count) * sizeof(std::int32_t), context.stream());
    const cuda::Scratch partials(std::size_t{chunks} * 2 * static_cast<std::size_t>(args.channels) * sizeof(float),
                                 context.stream());
    std::int32_t* tokens = sorted.as<std::int32_t>();
    cuda::sort_by_id(
        context,
        {.order = tokens, .sorted_ids = tokens + count, .ids = args.ids, .rows = count, .id_limit = args.rows});
    const Scatter<T> scatter{.dtable = static_cast<T*>(args.dtable.data),
                             .accumulate = args.dtable.accumulate(),
                             .partials = partials.as<float>(),
                             .dy = static_cast<const T*>(args.dy),
                             .tokens = tokens,
                             .sorted_ids = tokens + count,
                             .count = count,
                             .channels = args.channels,
                             .padding_id = args.padding_id < 0 ? -1 : narrow<int>(args.padding_id),
                             .marks = args.marks,
                             .compact = args.compact};
    const bool wide = args.channels % cuda::kVectorWidth<T> == 0 && cuda::aligned(args.dtable.data, args.dy);
    const auto run = [&](auto width) {
      constexpr int W = decltype(width)::value;
      const cuda::Dim3 grid{chunks, cuda::blocks_for(args.channels, EmbeddingTraits::kThreads * W)};
      cuda::launch("embedding_scatter", embedding_scatter_kernel<T, W>, grid, {EmbeddingTraits::kThreads}, 0,
                   context.stream(), scatter);
      cuda::launch("embedding_join", embedding_join_kernel<T, W>, grid, {EmbeddingTraits::kThreads}, 0,
                   context.stream(), scatter);
    };
    if (wide)
      run(std::integral_constant<int, 4>{});  // 16 bytes of partials
    else
      run(std::integral_constant<int, 1>{});
  });
}

}  // namespace attune::kernels
