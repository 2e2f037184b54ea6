#include "bench/ledger.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "kernels/cuda/simulated/memory.h"

namespace attune {
namespace {

using simulated::BlockCounts;
using simulated::Piece;

constexpr double kSector = 32;
constexpr double kProductOperations = 2.0 * 16 * 8 * 16;  // of an mma of bfloat16
constexpr std::uint64_t kWholeBlocks = 64;                // kernels of at most as many blocks run as a whole
constexpr std::size_t kCopyBlock = std::size_t{1} << 14;  // bytes of a copy that one block moves
constexpr std::size_t kLargeCopy = std::size_t{1} << 20;  // copies of more bytes are not made

// Kernels whose results are indices, marks or counts of later ones.
constexpr std::array<std::string_view, 14> kIndexKernels = {
    "batch_rows",          "position_ids", "sequence_tables",   "sort_block",        "sort_count",
    "sort_move",           "pooled_keys",  "embedding_scatter", "embedding_join",    "clear_row_gradient",
    "spread_row_gradient", "adamw_rows",   "adamw_catch_up",    "adamw_catch_up_all"};

bool runs_whole(const Piece& piece) {
  return piece.shape.grid.count() <= kWholeBlocks ||
         std::ranges::find(kIndexKernels, std::string_view(piece.shape.name)) != kIndexKernels.end();
}

// Strata to begin with. The rows of a grid of several dimensions differ more than the blocks of a row: in attention they are
// sequences, one of which may be empty, and places in them. Each is a stratum.
std::uint64_t first_strata(const simulated::Dim3& grid, std::uint64_t least) {
  const std::uint64_t rows = std::uint64_t{grid.y} * grid.z;
  return rows > kWholeBlocks ? least : ceil_div(least, rows) * rows;
}

// A sample of the blocks of a grid: of each stratum, a run of consecutive blocks, one or more.
class Sample {
 public:
  explicit Sample(const Piece& piece) : piece_(piece), count_(piece.shape.grid.count()), random_(count_) {}

  // Cuts the grid into `strata` and runs a random block of each that has none yet.
  void refine(std::uint64_t strata) {
    strata_ = std::min(strata, count_);
    std::vector<std::uint64_t> missing;
    for (std::uint64_t s = 0; s < strata_; ++s) {
      const std::uint64_t begin = begin_of(s), end = begin_of(s + 1);
      const auto first = counts_.lower_bound(begin);
      if (first == counts_.end() || first->first >= end) missing.push_back(begin + random_() % (end - begin));
    }
    std::vector<BlockCounts> made = simulated::run_blocks(piece_.shape, missing, piece_.thread);
    for (std::size_t i = 0; i < missing.size(); ++i) counts_.emplace(missing[i], std::move(made[i]));
  }
  bool complete() const { return counts_.size() == count_; }
  std::uint64_t blocks() const { return counts_.size(); }
  std::uint64_t strata() const { return strata_; }

  // Calls f(counts, blocks that these counts stand for).
  template <class F>
  void each(F&& f) const {
    for (std::uint64_t s = 0; s < strata_; ++s) {
      const auto begin = counts_.lower_bound(begin_of(s)), end = counts_.lower_bound(begin_of(s + 1));
      const double weight =
          static_cast<double>(begin_of(s + 1) - begin_of(s)) / static_cast<double>(std::distance(begin, end));
      for (auto at = begin; at != end; ++at) f(at->second, weight);
    }
  }

  // The relative standard error of the sum of value(counts), from the differences of neighbours.
  template <class Value>
  double error(Value&& value) const {
    double sum = 0, squares = 0, previous = 0;
    bool second = false;
    each([&](const BlockCounts& counts, double weight) {
      const double own = value(counts);
      sum += weight * own;
      if (second) squares += weight * weight * (own - previous) * (own - previous);
      second = !second, previous = own;
    });
    return sum == 0 ? 0 : std::sqrt(squares) / sum;
  }

  // The share of all sectors that lies in tensors which no block of the sample uses, about: the share in those that only
  // one block uses (Good and Turing).
  double unseen() const {
    std::map<std::uint64_t, std::pair<int, double>> tensors;  // blocks and sectors
    double all = 0, single = 0;
    each([&](const BlockCounts& counts, double weight) {
      for (const auto& [tensor, sectors] : counts.memory) {
        const double bytes = weight * static_cast<double>(sectors.read + sectors.written);
        all += bytes;
        ++tensors[tensor].first, tensors[tensor].second += bytes;
      }
    });
    for (const auto& [tensor, used] : tensors)
      if (used.first == 1) single += used.second;
    return all == 0 ? 0 : single / all;
  }

 private:
  std::uint64_t begin_of(std::uint64_t stratum) const { return stratum * count_ / strata_; }

  const Piece& piece_;
  std::uint64_t count_, strata_ = 1;
  std::mt19937_64 random_;
  std::map<std::uint64_t, BlockCounts> counts_;  // by block
};

// What the blocks of a kernel access of a tensor.
struct Accessed {
  double read = 0, written = 0;
  double blocks = 0;  // that do so
  double bytes = 0;   // of the tensor
};

// The bytes of each tensor: what all blocks access, but of a tensor that most blocks use never more than it has. (Of one
// that few blocks use, the sample may have too many or too few.)
void set_tensors(LedgerNode& node, const std::map<std::uint64_t, Accessed>& accessed) {
  for (const auto& [tensor, use] : accessed) {
    node.sectors_read += use.read, node.sectors_written += use.written;
    const bool most = 2 * use.blocks > static_cast<double>(node.work.blocks) || node.sampled == node.work.blocks;
    const double bytes = most ? use.bytes : INFINITY;
    node.work.tensors.push_back({tensor, std::min(use.read, bytes), std::min(use.written, bytes)});
  }
  node.work.sectors = node.sectors_read + node.sectors_written;
}

LedgerNode product_node(const cuda::Matmul& args) {
  LedgerNode node{.kernel = args.transpose_a   ? "product dW"
                            : args.transpose_b ? "product forward"
                                               : "product dX",
                  .grid = {},
                  .block = {},
                  .m = args.m,
                  .n = args.n,
                  .k = args.k,
                  .work = {}};
  const auto size = static_cast<double>(size_of(args.dtype));
  const auto m = static_cast<double>(args.m), n = static_cast<double>(args.n), k = static_cast<double>(args.k);
  node.work.m = args.m, node.work.n = args.n, node.work.k = args.k;
  node.work.element_bytes = static_cast<int>(size);
  node.work.operations = 2 * m * n * k;
  const auto use = [&](const void* data, double read, double written) {
    node.work.tensors.push_back({simulated::memory_block(data).number, read * size, written * size});
    node.sectors_read += read * size, node.sectors_written += written * size;
  };
  use(args.a, m * k, 0);
  use(args.b, k * n, 0);
  if (args.bias != nullptr) use(args.bias, n, 0);
  use(args.c, args.accumulate ? m * n : 0, m * n);
  return node;
}

LedgerNode copy_node(const Piece::Copied& copy) {
  LedgerNode node{.kernel = "copy", .grid = {}, .block = {}, .work = {}};
  const auto bytes = static_cast<double>(copy.bytes);
  node.work.blocks = ceil_div<std::uint64_t>(copy.bytes, kCopyBlock);
  std::map<std::uint64_t, Accessed> uses;
  const auto use = [&](const void* data) -> Accessed& {
    const simulated::MemoryBlock block = simulated::memory_block(data);
    Accessed& out = uses[block.number];
    out.bytes = static_cast<double>(block.bytes);
    return out;
  };
  if (copy.from != nullptr) use(copy.from).read += bytes;
  if (copy.to != nullptr) use(copy.to).written += bytes;
  set_tensors(node, uses);
  return node;
}

}  // namespace

Ledger::Ledger(const Options& options) : options_(options) {
  simulated::set_sparse_memory();
  simulated::set_observer(this);
}

Ledger::~Ledger() {
  simulated::set_observer(nullptr);
}

void Ledger::run(const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::kGraph:
      nodes_.clear();
      for (const Piece* part : piece.graph) add(*part);
      return;
    case Piece::Kind::kKernel:
      if (runs_whole(piece)) simulated::execute(piece);
      return;
    case Piece::Kind::kProduct:
      return;
    case Piece::Kind::kCopy:
      if (piece.copy.bytes <= kLargeCopy) simulated::execute(piece);
      return;
    default:
      return simulated::execute(piece);
  }
}

void Ledger::add(const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::kKernel:
      nodes_.push_back(kernel_node(piece));
      return;
    case Piece::Kind::kProduct:
      nodes_.push_back(product_node(piece.product));
      break;
    case Piece::Kind::kCopy:
      nodes_.push_back(copy_node(piece.copy));
      break;
    default:
      break;  // an event is an edge of the graph, and no node
  }
  run(piece);
}

LedgerNode Ledger::kernel_node(const Piece& piece) {
  const auto sectors = [](const BlockCounts& counts) { return static_cast<double>(counts.kernel.global_sectors); };
  const auto products = [](const BlockCounts& counts) { return static_cast<double>(counts.kernel.products); };
  const std::uint64_t all = piece.shape.grid.count();
  Sample sample(piece);
  sample.refine(options_.whole || runs_whole(piece) ? all : first_strata(piece.shape.grid, options_.first_sample));
  while (!sample.complete() && sample.strata() < kMaxSample &&
         std::max({sample.error(sectors), sample.error(products), sample.unseen()}) > options_.error)
    sample.refine(2 * sample.strata());

  LedgerNode node{.kernel = piece.shape.name, .grid = piece.shape.grid, .block = piece.shape.block, .work = {}};
  node.sampled = sample.blocks();
  node.work.blocks = all;
  node.work.threads = static_cast<unsigned>(piece.shape.block.count());
  node.work.shared_bytes = piece.shape.shared_bytes;
  std::map<std::uint64_t, Accessed> uses;
  double requests = 0, barriers = 0;
  sample.each([&](const BlockCounts& counts, double weight) {
    node.work.operations += weight * kProductOperations * products(counts);
    requests += weight * static_cast<double>(counts.kernel.global_requests);
    barriers += weight * static_cast<double>(counts.kernel.barriers);
    node.requested += weight * static_cast<double>(counts.kernel.global_bytes);
    node.wavefronts += weight * static_cast<double>(counts.kernel.shared_wavefronts);
    node.ideal_wavefronts += weight * static_cast<double>(counts.kernel.shared_ideal);
    for (const auto& [tensor, used] : counts.memory) {
      Accessed& use = uses[tensor];
      use.blocks += weight;
      use.bytes = static_cast<double>(used.bytes);
      use.read += weight * kSector * static_cast<double>(used.read);
      use.written += weight * kSector * static_cast<double>(used.written);
    }
  });
  node.requests = static_cast<std::uint64_t>(requests / static_cast<double>(all));
  node.barriers = static_cast<std::uint64_t>(barriers / static_cast<double>(all));
  set_tensors(node, uses);
  return node;
}

}  // namespace attune
