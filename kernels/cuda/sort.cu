// A radix sort of (id, row), 8 bits of the id at a time, the lowest first; as many passes as the largest id needs.
//
// A block owns a tile of 1024 rows, a warp 128 of them one after the other. Lanes with the same digit find each other
// by eight votes. A row's rank among the rows of its digit in the tile is the count of earlier warps, plus the count of
// earlier rows of its warp, plus the number of lower lanes. Each pass counts the digits of every tile, then sends each
// row to its place: the rows of smaller digits, those of its digit in earlier tiles, and its rank. Every block adds up
// the counts of all tiles (1 KiB per tile, from the L2 cache), which saves a launch. Counts are integers and rows keep
// their order: deterministic, without atomics. Moves 24 bytes per row and pass; 8.2 KiB of shared memory.
//
// Up to 4096 rows, those of a usual training batch, are sorted by one block in one launch, which is shorter than the
// launches of a sort by several. It has a thread for every four rows, and 256 or more; its two copies of the rows, 16
// bytes a row, and the counts of its warps, 1 KiB each, lie in shared memory: 96 KiB at most.
#include "kernels/cuda/sort.h"

#include <algorithm>
#include <bit>

#include "kernels/cuda/context.h"
#include "kernels/cuda/device/reduce.cuh"
#include "kernels/cuda/device/vec.cuh"
#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/memory.h"

namespace attune::cuda {
namespace {

using namespace device;

struct SortTraits {
  static constexpr int kBits = 8, kDigits = 1 << kBits;
  static constexpr int kThreads = kDigits;  // thread d also handles digit d
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kRounds = 4;  // of 32 rows a warp
  static constexpr int kTile = kThreads * kRounds;
  // Of rows that one block sorts.
  static constexpr int kMaxBlockThreads = 1024, kBlockRows = kMaxBlockThreads * kRounds;
};

// One pass; its input and output.
struct Pass {
  std::int32_t* counts;  // [tiles, digits]
  std::int32_t* order;
  std::int32_t* sorted_ids;
  const std::int32_t* rows;  // in the order of the pass before; null: 0, 1, 2, ...
  const std::int32_t* ids;
  int count, tiles, shift;
};

// All passes in one block.
struct BlockSort {
  std::int32_t* order;
  std::int32_t* sorted_ids;
  const std::int32_t* ids;
  int count, bits;
};

// How many rows of each digit each warp has.
struct TileCounts {
  std::int32_t of[SortTraits::kWarps][SortTraits::kDigits];
};

// A row in shared memory.
struct Row {
  std::int32_t id, row;
};

__device__ __forceinline__ int lane() {
  return static_cast<int>(threadIdx.x % kWarp);
}
__device__ __forceinline__ int digit_of(std::int32_t id, int shift) {
  return id >> shift & (SortTraits::kDigits - 1);
}

// The rank of this lane's row among the rows of its digit that the warp has had so far. Adds the warp's rows to its counts.
// All lanes must call it, those without a row too.
__device__ __forceinline__ int next_rank(std::int32_t* counts, int digit, bool there) {
  const unsigned below = (1u << lane()) - 1;
  unsigned peers = __ballot_sync(kAllLanes, there ? 1 : 0);
  for (int bit = 0; bit < SortTraits::kBits; ++bit) {
    const int mine = digit >> bit & 1;
    const unsigned votes = __ballot_sync(kAllLanes, mine);
    peers &= mine != 0 ? votes : ~votes;
  }
  const int before = load_shared(counts + digit);
  __syncwarp();  // all lanes have read
  if (there && (peers & below) == 0) store_shared(counts + digit, before + __popc(peers));
  __syncwarp();
  return before + __popc(peers & below);
}

// Turns each warp's count of digit threadIdx.x into the place of its first row, from `place` on.
__device__ __forceinline__ void counts_to_places(std::int32_t* counts, int warps, int place) {
  for (std::int32_t* at = counts + threadIdx.x; warps > 0; --warps, at += SortTraits::kDigits) {
    const int n = load_shared(at);
    store_shared(at, place);
    place += n;
  }
}

// The count of digit threadIdx.x in all warps.
__device__ __forceinline__ int count_of_digit(const std::int32_t* counts, int warps) {
  int total = 0;
  for (int w = 0; w < warps; ++w) total += load_shared(counts + w * SortTraits::kDigits + threadIdx.x);
  return total;
}

// Of this thread's rows, 32 apart.
__device__ __forceinline__ int first_index() {
  return static_cast<int>(blockIdx.x) * SortTraits::kTile +
         static_cast<int>(threadIdx.x / kWarp) * kWarp * SortTraits::kRounds + lane();
}

// The ids of this thread's rows, and the rank of each in its warp among the rows of its digit. Leaves the warps' counts of
// each digit in `counts`. All threads must call it.
__device__ void rank_in_warp(TileCounts& counts, std::int32_t (&ids)[SortTraits::kRounds],
                             int (&ranks)[SortTraits::kRounds], const Pass& pass) {
  for (int w = 0; w < SortTraits::kWarps; ++w) store_shared(&counts.of[w][threadIdx.x], std::int32_t{0});
  __syncthreads();
  std::int32_t* own = counts.of[threadIdx.x / kWarp];
#pragma unroll
  for (int r = 0; r < SortTraits::kRounds; ++r) {
    const int i = first_index() + r * kWarp;
    const bool there = i < pass.count;
    ids[r] = there ? load_global(pass.ids + i) : 0;
    ranks[r] = next_rank(own, digit_of(ids[r], pass.shift), there);
  }
  __syncthreads();
}

__global__ void __launch_bounds__(SortTraits::kThreads) sort_count_kernel(Pass pass) {
  TileCounts& counts = shared_variable<TileCounts>();
  std::int32_t ids[SortTraits::kRounds];
  int ranks[SortTraits::kRounds];
  rank_in_warp(counts, ids, ranks, pass);
  store_global(pass.counts + blockIdx.x * SortTraits::kDigits + threadIdx.x,
               std::int32_t{count_of_digit(counts.of[0], SortTraits::kWarps)});
}

__global__ void __launch_bounds__(SortTraits::kThreads) sort_move_kernel(Pass pass) {
  TileCounts& counts = shared_variable<TileCounts>();
  std::int32_t ids[SortTraits::kRounds];
  int ranks[SortTraits::kRounds];
  rank_in_warp(counts, ids, ranks, pass);

  // The beginning of the tile's rows of digit threadIdx.x.
  int earlier = 0, all = 0;
#pragma unroll 8
  for (int tile = 0; tile < pass.tiles; ++tile) {
    const int n = load_global(pass.counts + tile * SortTraits::kDigits + static_cast<int>(threadIdx.x));
    if (tile < static_cast<int>(blockIdx.x)) earlier += n;
    all += n;
  }
  int total = 0;
  counts_to_places(counts.of[0], SortTraits::kWarps, block_exclusive_sum(all, total) + earlier);
  __syncthreads();

#pragma unroll
  for (int r = 0; r < SortTraits::kRounds; ++r) {
    const int i = first_index() + r * kWarp;
    if (i >= pass.count) continue;
    const int to = load_shared(&counts.of[threadIdx.x / kWarp][digit_of(ids[r], pass.shift)]) + ranks[r];
    store_global(pass.order + to, pass.rows == nullptr ? i : load_global(pass.rows + i));
    store_global(pass.sorted_ids + to, ids[r]);
  }
}

__global__ void __launch_bounds__(SortTraits::kMaxBlockThreads) sort_block_kernel(BlockSort args) {
  constexpr int kRounds = SortTraits::kRounds, kDigits = SortTraits::kDigits;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int warp = thread / kWarp, warps = threads / kWarp;
  const int rounds = (args.count + threads - 1) / threads;  // of a warp, whose rows are one after the other
  auto* const counts = reinterpret_cast<std::int32_t*>(dynamic_shared());
  std::int32_t* const own = counts + warp * kDigits;
  Row* from = reinterpret_cast<Row*>(counts + warps * kDigits);
  Row* to = from + args.count;
  for (int i = thread; i < args.count; i += threads) store_shared(from + i, Row{load_global(args.ids + i), i});
  for (int shift = 0; shift < args.bits; shift += SortTraits::kBits) {
    for (int i = thread; i < warps * kDigits; i += threads) store_shared(counts + i, std::int32_t{0});
    __syncthreads();  // and the rows are there
    Row rows[kRounds] = {};
    int ranks[kRounds] = {};
#pragma unroll
    for (int r = 0; r < kRounds; ++r) {
      if (r >= rounds) break;
      const int i = (warp * rounds + r) * kWarp + lane();
      const bool there = i < args.count;
      if (there) rows[r] = load_shared(from + i);
      ranks[r] = next_rank(own, digit_of(rows[r].id, shift), there);
    }
    __syncthreads();
    const bool owns_digit = thread < kDigits;
    int total = 0;
    const int place = block_exclusive_sum(owns_digit ? count_of_digit(counts, warps) : 0, total);
    if (owns_digit) counts_to_places(counts, warps, place);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRounds; ++r)
      if (r < rounds && (warp * rounds + r) * kWarp + lane() < args.count)
        store_shared(to + load_shared(own + digit_of(rows[r].id, shift)) + ranks[r], rows[r]);
    __syncthreads();
    Row* const sorted = to;
    to = from;
    from = sorted;
  }
  for (int i = thread; i < args.count; i += threads) {
    const Row row = load_shared(from + i);
    store_global(args.order + i, row.row);
    store_global(args.sorted_ids + i, row.id);
  }
}

void sort_in_a_block(const kernels::CudaContext& context, const SortById& args, int bits) {
  const int count = narrow<int>(args.rows);
  const int threads = std::max(SortTraits::kThreads, ceil_div(count, kWarp * SortTraits::kRounds) * kWarp);
  const std::size_t counts = static_cast<std::size_t>(threads / kWarp * SortTraits::kDigits) * sizeof(std::int32_t);
  const BlockSort sort{
      .order = args.order, .sorted_ids = args.sorted_ids, .ids = args.ids, .count = count, .bits = bits};
  launch("sort_block", sort_block_kernel, {1}, {static_cast<unsigned>(threads)},
         counts + 2 * sizeof(Row) * static_cast<std::size_t>(count), context.stream(), sort);
}

}  // namespace

void sort_by_id(const kernels::CudaContext& context, const SortById& args) {
  if (args.rows == 0) return;
  const int bits = std::max(1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(args.id_limit - 1))));
  if (args.rows <= SortTraits::kBlockRows) return sort_in_a_block(context, args, bits);
  const int passes = ceil_div(bits, SortTraits::kBits);
  const unsigned tiles = blocks_for(args.rows, SortTraits::kTile);
  const auto rows = static_cast<std::size_t>(args.rows);
  const Scratch counts(std::size_t{tiles} * SortTraits::kDigits * sizeof(std::int32_t), context.stream());
  const Scratch other(passes > 1 ? 2 * rows * sizeof(std::int32_t) : 0, context.stream());
  Pass pass{.counts = counts.as<std::int32_t>(),
            .order = nullptr,
            .sorted_ids = nullptr,
            .rows = nullptr,
            .ids = args.ids,
            .count = narrow<int>(args.rows),
            .tiles = static_cast<int>(tiles),
            .shift = 0};
  for (int left = passes; left > 0; --left, pass.shift += SortTraits::kBits) {
    const bool to_result = left % 2 == 1;  // as the last pass must
    pass.order = to_result ? args.order : other.as<std::int32_t>();
    pass.sorted_ids = to_result ? args.sorted_ids : other.as<std::int32_t>() + rows;
    launch("sort_count", sort_count_kernel, {tiles}, {SortTraits::kThreads}, 0, context.stream(), pass);
    launch("sort_move", sort_move_kernel, {tiles}, {SortTraits::kThreads}, 0, context.stream(), pass);
    pass.rows = pass.order, pass.ids = pass.sorted_ids;
  }
}

}  // namespace attune::cuda
