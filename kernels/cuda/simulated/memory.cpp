#include "kernels/cuda/simulated/memory.h"

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "kernels/cuda/simulated/block.h"

namespace attune::simulated {
namespace {

constexpr std::size_t kAlignment = 256;

struct Range {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  bool holds(const std::byte* p, std::size_t bytes) const {
    return p >= begin && p < end && bytes <= static_cast<std::size_t>(end - p);
  }
};

struct Blocks {
  std::shared_mutex mutex;
  std::map<const std::byte*, std::size_t> blocks;
  std::size_t in_use = 0;
  std::atomic<std::uint64_t> frees{0};  // caches of threads are valid as long as nothing was freed
};

Blocks& memory_blocks() {
  static Blocks* instance = new Blocks;  // blocks may be freed by static destructors
  return *instance;
}

Range find(const std::byte* p) {
  Blocks& t = memory_blocks();
  const std::shared_lock lock(t.mutex);
  auto after = t.blocks.upper_bound(p);
  if (after == t.blocks.begin()) return {};
  --after;
  return {after->first, after->first + after->second};
}

// The blocks a thread touched last; kernels use a handful.
struct Recent {
  static constexpr unsigned kCount = 8;
  std::uint64_t frees = 0;
  unsigned next = 0;
  Range ranges[kCount];
};

}  // namespace

void* allocate_memory(std::size_t bytes) {
  const std::size_t size = bytes == 0 ? 1 : bytes;
  void* block = ::operator new (size, std::align_val_t{kAlignment}, std::nothrow);
  CHECK(block != nullptr, "out of memory: ", bytes, " bytes could not be allocated on the simulated gpu");
  std::memset(block, kPoison, size);
  Blocks& t = memory_blocks();
  const std::unique_lock lock(t.mutex);
  t.blocks[static_cast<const std::byte*>(block)] = size;
  t.in_use += size;
  return block;
}

void free_memory(void* device) noexcept {
  if (device == nullptr) return;
  Blocks& t = memory_blocks();
  {
    const std::unique_lock lock(t.mutex);
    const auto found = t.blocks.find(static_cast<const std::byte*>(device));
    t.in_use -= found->second;
    t.blocks.erase(found);
    ++t.frees;
  }
  ::operator delete (device, std::align_val_t{kAlignment});
}

std::size_t memory_in_use() {
  Blocks& t = memory_blocks();
  const std::shared_lock lock(t.mutex);
  return t.in_use;
}

bool is_device_memory(const void* address, std::size_t bytes) {
  const auto* p = static_cast<const std::byte*>(address);
  return bytes == 0 || find(p).holds(p, bytes);
}

void on_global_access(const void* address, std::size_t bytes, const char* what) {
  thread_local Recent recent;
  const auto* p = static_cast<const std::byte*>(address);
  const std::uint64_t frees = memory_blocks().frees.load(std::memory_order_relaxed);
  if (frees != recent.frees) {
    recent = Recent{};
    recent.frees = frees;
  }
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    runner().fail(Fault::kMisaligned, str_cat(what, " of ", bytes, " bytes at an address that is no multiple of it"));
  runner().count_global(address, bytes);
  for (const Range& range : recent.ranges)
    if (range.holds(p, bytes)) return;
  const Range range = find(p);
  if (!range.holds(p, bytes)) {
    if (range.begin != nullptr && p >= range.begin && p < range.end + 4096)
      runner().fail(Fault::kOutOfBounds, str_cat(what, " of ", bytes, " bytes at byte ", p - range.begin,
                                                 " of a block of ", range.end - range.begin));
    runner().fail(Fault::kOutOfBounds, str_cat(what, " of ", bytes, " bytes outside of device memory"));
  }
  recent.ranges[recent.next] = range;
  recent.next = (recent.next + 1) % Recent::kCount;
}

}  // namespace attune::simulated
