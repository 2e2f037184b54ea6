#include "bench/machine_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/check.h"
#include "base/join.h"
#include "base/math.h"

namespace attune {
namespace {

constexpr unsigned kThreads = 2048, kBlocks = 32;  // of a multiprocessor, compute capability 8.0 and 9.0
constexpr std::size_t kReserved = 1024;            // bytes of shared memory that the system takes of each block

// Memory: bench/results/nvidia-h100.md (2.9 to 3.0 TB/s) and nvidia-h200.md (4.1 to 4.3), 0.89 of the data sheet's rate;
// the A100's is that share of its 2.04 TB/s. Cache: a warm ReLU in nvidia-h200.md moves 38 MB in 6.2 us, of which 0.9 are
// those of an empty kernel: 0.7 of 5,120 bytes per clock at 1.98 GHz; the A100's is that share at its 1.41 GHz. Sizes: as the
// devices report them. Link: 64 bytes per clock.
// Products: 798 to 800 TFLOP/s at 8192 (nvidia-h200.md), 0.81 of the data sheet's; on an A100 the same share of 312.
// mma.sync: 62.9 % of the peak on Hopper (Luo et al., arXiv 2402.13499), all of it on Ampere, at the clock of a
// product. Launch: 1.1 to 1.3 us for each small kernel of a graph of 2,000 (pytorch/pytorch#161104).
constexpr std::array<Machine, 3> kMachines = {
    {{"A100", 108, 164 << 10, 1.8e12, 40e6, 5.1e12, 90e9, 253e12, 253e12, false, 1.2e-6},
     {"H100", 132, 228 << 10, 3.0e12, 50e6, 7.1e12, 112e9, 798e12, 502e12, true, 1.2e-6},
     {"H200", 132, 228 << 10, 4.3e12, 60e6, 7.1e12, 112e9, 798e12, 502e12, true, 1.2e-6}}};

// The tiles of libraries' products, rows and columns of a block; K is cut into at most kMaxCuts parts. Smaller tiles
// load more for each operation: their rate is that of the largest by the 0.35th power of operations per loaded element.
constexpr std::array<std::array<int, 2>, 9> kTiles = {
    {{128, 256}, {256, 128}, {192, 128}, {128, 128}, {256, 64}, {64, 256}, {128, 64}, {64, 128}, {64, 64}}};
constexpr int kMaxCuts = 8;
constexpr double kTilePower = 0.35;

double intensity(const std::array<int, 2>& tile) {
  return static_cast<double>(tile[0] * tile[1]) / (tile[0] + tile[1]);
}

// Of the multiprocessor with the most blocks, of those that any has on average.
double most_blocks(std::uint64_t blocks, const Machine& machine) {
  return static_cast<double>(ceil_div<std::uint64_t>(blocks, static_cast<std::uint64_t>(machine.multiprocessors)));
}

void set_waves(NodeTime& out, std::uint64_t blocks, const Machine& machine) {
  out.waves = narrow<std::int64_t>(ceil_div<std::uint64_t>(
      blocks, static_cast<std::uint64_t>(machine.multiprocessors) * static_cast<unsigned>(out.resident_blocks)));
}

// The times of cache and tensor cores of a grid whose blocks have `sectors` bytes and `operations` together.
void set_grid(NodeTime& out, const Machine& machine, std::uint64_t blocks, double sectors, double operations,
              double rate) {
  const double share = most_blocks(blocks, machine) / static_cast<double>(blocks);
  out.cache_bytes = sectors;
  out.cache = std::max(sectors / machine.cache, sectors * share / machine.link);
  out.tensor = operations * share / (rate / machine.multiprocessors);
  set_waves(out, blocks, machine);
}

NodeTime kernel(const Machine& machine, const NodeWork& node) {
  NodeTime out;
  const unsigned by_threads = kThreads / (ceil_div(node.threads, 32u) * 32u);
  const auto by_shared = static_cast<unsigned>(machine.shared_bytes / (node.shared_bytes + kReserved));
  out.resident_blocks = static_cast<int>(std::clamp(std::min(by_threads, by_shared), 1u, kBlocks));
  set_grid(out, machine, node.blocks, node.sectors, node.operations, machine.instructions);
  return out;
}

// A product by one tile, with K cut into `cuts`.
NodeTime product(const Machine& machine, const NodeWork& node, const std::array<int, 2>& tile, int cuts) {
  NodeTime out;
  const auto blocks = static_cast<std::uint64_t>(ceil_div<std::int64_t>(node.m, tile[0]) *
                                                 ceil_div<std::int64_t>(node.n, tile[1]) * cuts);
  const double depth = static_cast<double>(ceil_div<std::int64_t>(node.k, cuts)), size = node.element_bytes;
  const double results = static_cast<double>(node.m) * static_cast<double>(node.n);
  const double loaded =
      machine.pairs ? std::min(tile[0], tile[1]) + std::max(tile[0], tile[1]) / 2.0 : tile[0] + tile[1];
  const double operands = static_cast<double>(blocks) * loaded * depth * size;
  const double partial = cuts > 1 ? 2 * cuts * results * sizeof(float) : 0;  // float32 sums, written and read
  const double operations = 2.0 * static_cast<double>(blocks) * tile[0] * tile[1] * depth;
  out.resident_blocks = 1;
  out.tile = str_cat(tile[0], " x ", tile[1], cuts > 1 ? str_cat(" / ", cuts) : "");
  set_grid(out, machine, blocks, operands + partial + results * size, operations,
           machine.product * std::pow(intensity(tile) / intensity(kTiles[0]), kTilePower));
  return out;
}

NodeTime fastest_product(const Machine& machine, const NodeWork& node) {
  NodeTime best;
  for (const auto& tile : kTiles)
    for (int cuts = 1; cuts <= kMaxCuts; ++cuts) {
      NodeTime out = product(machine, node, tile, cuts);
      if (best.tile.empty() || std::max(out.cache, out.tensor) < std::max(best.cache, best.tensor))
        best = std::move(out);
    }
  return best;
}

// Of each tensor that begins a step as bytes to write over, the last node that uses it.
std::map<std::uint64_t, std::size_t> last_uses(std::span<const NodeWork> nodes) {
  std::map<std::uint64_t, std::size_t> out;
  std::set<std::uint64_t> kept;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const TensorUse& use : nodes[i].tensors) {
      if (!out.contains(use.tensor) && use.read > 0) kept.insert(use.tensor);
      if (!kept.contains(use.tensor)) out[use.tensor] = i;
    }
  return out;
}

// Bytes from and to memory of each node, in the second of two equal steps.
std::vector<double> bytes_of_memory(const Machine& machine, std::span<const NodeWork> nodes) {
  const std::map<std::uint64_t, std::size_t> last = last_uses(nodes);
  L2Cache cache(machine.cache_bytes);
  std::vector<double> out;
  for (int step = 0; step < 2; ++step) {
    out.assign(nodes.size(), 0);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (const TensorUse& use : nodes[i].tensors) out[i] += cache.use(use);
      for (const TensorUse& use : nodes[i].tensors)
        if (const auto found = last.find(use.tensor); found != last.end() && found->second == i)
          cache.forget(use.tensor);
    }
  }
  return out;
}

}  // namespace

std::span<const Machine> machines() {
  return kMachines;
}

const Machine& machine_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Machine& machine : kMachines) {
    std::string& lower = names.emplace_back(machine.name);
    std::ranges::transform(lower, lower.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
    if (lower == name) return machine;
  }
  throw UsageError("--gpu '" + name + "' is unknown; there are " + join(names));
}

// Room for this many bytes; the bytes that go to memory for it.
double L2Cache::make_room(double bytes) {
  double out = 0;
  while (free_ < bytes && !lines_.empty()) {
    Line& last = lines_.back();
    const double part = std::min(last.bytes, bytes - free_);
    const double written = std::min(last.changed, part);
    out += written;
    last.changed -= written, last.bytes -= part, free_ += part;
    if (last.bytes > 0) break;
    found_.erase(last.tensor);
    lines_.pop_back();
  }
  return out;
}

double L2Cache::use(const TensorUse& use) {
  const double bytes = std::max(use.read, use.written);
  Line line{use.tensor, 0, 0};
  if (const auto found = found_.find(use.tensor); found != found_.end()) {
    line = *found->second;
    lines_.erase(found->second);
    found_.erase(found);
    free_ += line.bytes;
  }
  double out = std::max(0.0, use.read - line.bytes);  // bytes that are only written need not be fetched
  if (bytes > bytes_) {                               // it streams through, and displaces everything
    out += make_room(bytes_) + use.written + line.changed;
    return out;
  }
  line.bytes = std::max(line.bytes, bytes);
  line.changed = std::max(line.changed, use.written);
  out += make_room(line.bytes);
  free_ -= line.bytes;
  lines_.push_front(line);
  found_[use.tensor] = lines_.begin();
  return out;
}

void L2Cache::forget(std::uint64_t tensor) {
  const auto found = found_.find(tensor);
  if (found == found_.end()) return;
  free_ += found->second->bytes;
  lines_.erase(found->second);
  found_.erase(found);
}

double NodeTime::seconds() const {
  return launch + std::max({memory, cache, tensor});
}

std::vector<NodeTime> predict(const Machine& machine, std::span<const NodeWork> nodes) {
  const std::vector<double> memory_bytes = bytes_of_memory(machine, nodes);
  std::vector<NodeTime> out;
  for (const NodeWork& node : nodes) {
    NodeTime& made = out.emplace_back(node.m > 0 ? fastest_product(machine, node) : kernel(machine, node));
    made.launch = machine.launch;
    made.memory_bytes = memory_bytes[out.size() - 1];
    made.memory = made.memory_bytes / machine.memory;
    const double work = std::max({made.memory, made.cache, made.tensor});
    made.limit = work < machine.launch ? "launch"
                 : work == made.memory ? "memory"
                 : work == made.cache  ? "cache"
                                       : "tensor";
  }
  return out;
}

}  // namespace attune
