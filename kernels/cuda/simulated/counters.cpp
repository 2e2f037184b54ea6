#include "kernels/cuda/simulated/counters.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <mutex>

namespace attune::simulated {
namespace {

constexpr std::uint64_t kSectorBytes = 32, kWordBytes = 4, kBanks = 32;

struct Table {
  std::mutex mutex;
  std::map<std::string, KernelCounts> kernels;
};
Table& table() {
  static Table* instance = new Table;
  return *instance;
}

std::atomic<bool>& counting_flag() {
  static std::atomic<bool> flag = [] {
    if (std::getenv("ATTUNE_SIMULATOR_COUNT") == nullptr) return false;
    std::atexit([] { print_counts(std::cerr); });
    return true;
  }();
  return flag;
}

}  // namespace

void KernelCounts::operator+=(const KernelCounts& other) {
  blocks += other.blocks, barriers += other.barriers, products += other.products;
  global_requests += other.global_requests, global_bytes += other.global_bytes, global_sectors += other.global_sectors;
  shared_requests += other.shared_requests, shared_wavefronts += other.shared_wavefronts,
      shared_ideal += other.shared_ideal;
}

void set_counting(bool on) {
  counting_flag() = on;
}
bool counting() {
  return counting_flag().load(std::memory_order_relaxed);
}

std::map<std::string, KernelCounts> kernel_counts() {
  const std::scoped_lock lock(table().mutex);
  return table().kernels;
}

void add_counts(const std::string& kernel, const KernelCounts& counts) {
  const std::scoped_lock lock(table().mutex);
  table().kernels[kernel] += counts;
}

void print_counts(std::ostream& out) {
  out << std::left << std::setw(28) << "kernel" << std::right;
  for (const char* title :
       {"blocks", "barriers", "mma", "requests", "bytes", "sectors", "used", "shared", "waves", "ideal"})
    out << std::setw(12) << title;
  out << '\n';
  for (const auto& [name, c] : kernel_counts()) {
    out << std::left << std::setw(28) << name << std::right;
    for (std::uint64_t value : {c.blocks, c.barriers, c.products, c.global_requests, c.global_bytes, c.global_sectors})
      out << std::setw(12) << value;
    out << std::setw(11) << std::lround(100 * c.global_efficiency()) << '%';
    for (std::uint64_t value : {c.shared_requests, c.shared_wavefronts, c.shared_ideal}) out << std::setw(12) << value;
    out << '\n';
  }
}

void BlockCounter::begin(int warps) {
  warps_.resize(static_cast<std::size_t>(warps));
  for (Warp& warp : warps_)
    for (Accesses* accesses : {&warp.global, &warp.shared}) {
      accesses->requests.clear();
      accesses->next.fill(0);
    }
  counts_ = {};
  counts_.blocks = 1;
  memory_.clear();
}

BlockCounter::Request& BlockCounter::record(Accesses& accesses, int lane, std::uint64_t address, std::uint32_t bytes) {
  const std::size_t at = accesses.next[static_cast<std::size_t>(lane)]++;
  if (at >= accesses.requests.size()) accesses.requests.resize(at + 1);
  Request& request = accesses.requests[at];
  request.address[static_cast<std::size_t>(lane)] = address;
  request.bytes[static_cast<std::size_t>(lane)] = bytes;
  return request;
}

void BlockCounter::meet(Accesses& accesses, unsigned mask) {
  std::size_t latest = 0;
  for (std::size_t lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1u) != 0) latest = std::max(latest, accesses.next[lane]);
  for (std::size_t lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1u) != 0) accesses.next[lane] = latest;
}

void BlockCounter::meet(int warp, unsigned mask) {
  meet(warps_[static_cast<std::size_t>(warp)].global, mask);
  meet(warps_[static_cast<std::size_t>(warp)].shared, mask);
}

void BlockCounter::barrier() {
  ++counts_.barriers;
  for (int warp = 0; warp < static_cast<int>(warps_.size()); ++warp) meet(warp, 0xFFFFFFFFu);
}

void BlockCounter::count_global(const Request& request) {
  std::vector<std::uint64_t> sectors;
  for (std::size_t lane = 0; lane < 32; ++lane) {
    if (request.bytes[lane] == 0) continue;
    counts_.global_bytes += request.bytes[lane];
    for (std::uint64_t s = request.address[lane] / kSectorBytes;
         s <= (request.address[lane] + request.bytes[lane] - 1) / kSectorBytes; ++s)
      sectors.push_back(s);
  }
  std::sort(sectors.begin(), sectors.end());
  sectors.erase(std::unique(sectors.begin(), sectors.end()), sectors.end());
  counts_.global_sectors += sectors.size();
  ++counts_.global_requests;

  const MemoryBlock block = memory_block(request.place);
  SectorCounts& memory = memory_[block.number];
  memory.bytes = block.bytes;
  if (request.access != Access::kStore) memory.read += sectors.size();
  if (request.access == Access::kStore || request.access == Access::kAtomic) memory.written += sectors.size();
}

void BlockCounter::count_shared(const Request& request) {
  const std::uint32_t widest = *std::max_element(request.bytes.begin(), request.bytes.end());
  const std::size_t phase = widest <= 4 ? 32 : widest <= 8 ? 16 : 8;  // lanes served together
  for (std::size_t first = 0; first < 32; first += phase) {
    std::array<std::array<std::uint64_t, 32>, kBanks> words;  // a phase has at most 32
    std::array<std::size_t, kBanks> sizes{};
    for (std::size_t lane = first; lane < first + phase; ++lane)
      for (std::uint64_t byte = 0; byte < request.bytes[lane]; byte += kWordBytes) {
        const std::uint64_t word = (request.address[lane] + byte) / kWordBytes;
        auto& bank = words[word % kBanks];
        std::size_t& size = sizes[word % kBanks];
        const auto end = bank.begin() + static_cast<std::ptrdiff_t>(size);
        if (std::find(bank.begin(), end, word) == end) bank[size++] = word;
      }
    const std::size_t deepest = *std::max_element(sizes.begin(), sizes.end());
    counts_.shared_wavefronts += deepest;
    counts_.shared_ideal += deepest > 0 ? 1 : 0;
  }
  ++counts_.shared_requests;
}

BlockCounts BlockCounter::end() {
  const auto asked = [](const Request& request) {
    return std::any_of(request.bytes.begin(), request.bytes.end(), [](auto b) { return b != 0; });
  };
  for (const Warp& warp : warps_) {
    for (const Request& request : warp.global.requests)
      if (asked(request)) count_global(request);
    for (const Request& request : warp.shared.requests)
      if (asked(request)) count_shared(request);
  }
  return {counts_, memory_};
}

}  // namespace attune::simulated
