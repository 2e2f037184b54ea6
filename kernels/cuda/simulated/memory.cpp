#include "kernels/cuda/simulated/memory.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "kernels/cuda/simulated/block.h"

namespace attune::simulated {
namespace {

constexpr std::uint64_t kOutsideSegments = std::uint64_t{1} << 63;  // in the number of a block
constexpr std::align_val_t kAlignment{256}, kSegmentAlignment{512};

// Cells of a block (block_order.h), made at the first access of a kernel.
struct Cells {
  struct Free {
    void operator()(Cell* cells) const { std::free(cells); }
  };
  std::unique_ptr<Cell[], Free> cells;
  std::size_t count = 0;
  std::uint64_t era = 0;
};

struct Range {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  Cell* cells = nullptr;
  bool holds(const std::byte* p, std::size_t bytes) const {
    return p >= begin && p < end && bytes <= static_cast<std::size_t>(end - p);
  }
};

struct LiveBlock {
  std::size_t bytes = 0, place = 0;
  std::uint64_t number = 0;
  Cells cells;
};
struct Segment {
  std::size_t bytes = 0, counted = 0;
};

struct Memory {
  std::mutex mutex;
  std::map<std::byte*, LiveBlock> blocks;
  std::map<std::byte*, Segment> segments;
  std::size_t in_use = 0;
  bool sparse = false;
  std::uint64_t blocks_made = 0;                           // outside of segments
  std::map<std::size_t, std::vector<Cells>> unused_cells;  // by their number
  std::atomic<std::uint64_t> ends{0};                      // caches of threads are valid as long as no block has ended
};
using BlockAt = std::map<std::byte*, LiveBlock>::iterator;

Memory& memory() {
  static Memory* instance = new Memory;  // blocks may be freed by static destructors
  return *instance;
}

template <class Map>
auto last_not_after(Map& map, const std::byte* p) {
  const auto after = map.upper_bound(const_cast<std::byte*>(p));
  return after == map.begin() ? map.end() : std::prev(after);
}

// Whole pages are given back to the host, and are zeros when they are next read.
void clear_sparse(std::byte* begin, std::size_t bytes) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (bytes < 2 * page) {
    std::memset(begin, 0, bytes);
    return;
  }
  const std::size_t head = (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page,
                    pages = (bytes - head) / page * page;
  std::memset(begin, 0, head);
  CHECK(madvise(begin + head, pages, MADV_DONTNEED) == 0, "sparse memory: madvise fails");
  std::memset(begin + head + pages, 0, bytes - head - pages);
}

// With NaN, or sparse memory with zeros.
void fill(std::byte* begin, std::size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
  if (memory().sparse)
    clear_sparse(begin, bytes);
  else
    std::memset(begin, kPoison, bytes);
}

void keep_cells(Memory& m, LiveBlock& block) {
  if (block.cells.count != 0) m.unused_cells[block.cells.count].push_back(std::move(block.cells));
}

// A block's cells for launches of an era. Null if there is no memory for them.
Cell* cells_for(Memory& m, LiveBlock& block, std::uint64_t era) {
  Cells& own = block.cells;
  if (m.sparse) return nullptr;
  if (own.count == 0) {
    const std::size_t count = std::bit_ceil((block.bytes + kCellBytes - 1) / kCellBytes);
    if (std::vector<Cells>& unused = m.unused_cells[count]; !unused.empty()) {
      own = std::move(unused.back());
      unused.pop_back();
    } else {
      own.cells.reset(static_cast<Cell*>(std::calloc(count, sizeof(Cell))));
      if (own.cells == nullptr) return nullptr;
      own.count = count;
      own.era = era;
    }
  }
  if (own.era != era) std::fill_n(own.cells.get(), own.count, Cell{});
  own.era = era;
  return own.cells.get();
}

BlockAt end(Memory& m, BlockAt block) {
  fill(block->first, block->second.place);
  ASAN_POISON_MEMORY_REGION(block->first, block->second.place);
  ++m.ends;
  keep_cells(m, block->second);
  return m.blocks.erase(block);
}

// Ends the blocks that have a part of these bytes.
void end_all(Memory& m, std::byte* begin, std::size_t bytes) {
  auto at = last_not_after(m.blocks, begin);
  if (at == m.blocks.end())
    at = m.blocks.begin();
  else if (at->first + at->second.place <= begin)
    ++at;
  while (at != m.blocks.end() && at->first < begin + bytes) at = end(m, at);
}

Range find(const std::byte* p, std::uint64_t era = 0) {
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  const auto at = last_not_after(m.blocks, p);
  if (at == m.blocks.end()) return {};
  return {at->first, at->first + at->second.bytes, era == 0 ? nullptr : cells_for(m, at->second, era)};
}

struct Misuse {
  Fault fault;
  std::string what;
};

// What is wrong with an access that no block holds.
Misuse misuse_of(const std::byte* p, std::size_t bytes, const char* what) {
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  const auto block = last_not_after(m.blocks, p);
  const auto segment = last_not_after(m.segments, p);
  const bool in_segment = segment != m.segments.end() && p < segment->first + segment->second.bytes;
  constexpr std::size_t kNear = 4096;  // of a block outside of segments
  if (block != m.blocks.end() && p < block->first + (in_segment ? block->second.place : block->second.bytes + kNear))
    return {Fault::kOutOfBounds,
            str_cat(what, " of ", bytes, " bytes at byte ", p - block->first, " of a block of ", block->second.bytes)};
  if (in_segment)
    return {Fault::kFreedMemory, str_cat(what, " of ", bytes, " bytes that belong to no block at this point")};
  return {Fault::kOutOfBounds, str_cat(what, " of ", bytes, " bytes outside of device memory")};
}

const char* name_of(Access access) {
  switch (access) {
    case Access::kLoad:
      return "a load";
    case Access::kStore:
      return "a store";
    case Access::kAtomic:
      return "an atomic";
    case Access::kAsyncCopy:
      return "a cp.async";
  }
  return "?";
}

// Memory of the host, or null.
std::byte* new_bytes(std::size_t bytes, std::align_val_t alignment) {
  if (!memory().sparse) return static_cast<std::byte*>(::operator new(bytes, alignment, std::nothrow));
  void* out = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return out == MAP_FAILED ? nullptr : static_cast<std::byte*>(out);
}

void delete_bytes(std::byte* begin, std::size_t bytes, std::align_val_t alignment) noexcept {
  if (memory().sparse)
    munmap(begin, bytes);
  else
    ::operator delete(begin, alignment);
}

// The blocks a thread touched last; kernels use a handful.
struct Recent {
  static constexpr unsigned kCount = 8;
  std::uint64_t ends = 0, era = 0;
  unsigned next = 0;
  Range ranges[kCount];
};

// The live block that holds an access of the running thread. Throws SimulatorFault.
const Range& block_of(const std::byte* p, std::size_t bytes, Access access, std::uint64_t era) {
  thread_local Recent recent;
  const std::uint64_t ends = memory().ends.load(std::memory_order_relaxed);
  if (ends != recent.ends || era != recent.era) {
    recent = Recent{};
    recent.ends = ends;
    recent.era = era;
  }
  for (const Range& range : recent.ranges)
    if (range.holds(p, bytes)) return range;
  const Range found = find(p, era);
  if (!found.holds(p, bytes)) {
    const Misuse misuse = misuse_of(p, bytes, name_of(access));
    runner().fail(misuse.fault, misuse.what);
  }
  Range& range = recent.ranges[recent.next];
  recent.next = (recent.next + 1) % Recent::kCount;
  return range = found;
}

}  // namespace

void* allocate_memory(std::size_t bytes) {
  const std::size_t size = bytes == 0 ? 1 : bytes;
  std::byte* const block = new_bytes(size, kAlignment);
  CHECK(block != nullptr, "out of memory: ", bytes, " bytes could not be allocated on the simulated gpu");
  fill(block, size);
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  m.blocks[block] = {.bytes = size, .place = size, .number = kOutsideSegments | ++m.blocks_made, .cells = {}};
  m.in_use += size;
  return block;
}

void free_memory(void* device) noexcept {
  if (device == nullptr) return;
  Memory& m = memory();
  std::size_t bytes = 0;
  {
    const std::scoped_lock lock(m.mutex);
    const auto found = m.blocks.find(static_cast<std::byte*>(device));
    bytes = found->second.bytes;
    m.in_use -= bytes;
    keep_cells(m, found->second);
    m.blocks.erase(found);
    ++m.ends;
  }
  delete_bytes(static_cast<std::byte*>(device), bytes, kAlignment);
}

void* allocate_segment(std::size_t bytes, std::size_t counted) {
  std::byte* const segment = new_bytes(bytes, kAlignment);
  if (segment == nullptr) return nullptr;
  ASAN_POISON_MEMORY_REGION(segment, bytes);
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  m.segments[segment] = {bytes, counted};
  m.in_use += counted;
  return segment;
}

void free_segment(void* segment) noexcept {
  Memory& m = memory();
  std::size_t bytes = 0;
  {
    const std::scoped_lock lock(m.mutex);
    const auto found = m.segments.find(static_cast<std::byte*>(segment));
    bytes = found->second.bytes;
    end_all(m, found->first, bytes);
    m.in_use -= found->second.counted;
    m.segments.erase(found);
  }
  delete_bytes(static_cast<std::byte*>(segment), bytes, kAlignment);
}

void begin_block(const SegmentBlock& block) {
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  if (const auto found = m.blocks.find(block.begin); found != m.blocks.end() && found->second.number == block.number)
    return;
  end_all(m, block.begin, block.place);
  fill(block.begin, block.place);
  ASAN_POISON_MEMORY_REGION(block.begin + block.bytes, block.place - block.bytes);
  m.blocks[block.begin] = {.bytes = block.bytes, .place = block.place, .number = block.number, .cells = {}};
}

void end_block(const SegmentBlock& block) {
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  if (const auto found = m.blocks.find(block.begin); found != m.blocks.end() && found->second.number == block.number)
    end(m, found);
}

std::size_t memory_in_use() {
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  return m.in_use;
}

void set_sparse_memory() {
  Memory& m = memory();
  CHECK(m.sparse || memory_in_use() == 0, "sparse memory: there is device memory already");
  m.sparse = true;
}

MemoryBlock memory_block(const void* address) {
  const auto* p = static_cast<const std::byte*>(address);
  Memory& m = memory();
  const std::scoped_lock lock(m.mutex);
  const auto at = last_not_after(m.blocks, p);
  if (at == m.blocks.end() || p >= at->first + at->second.bytes) return {};
  return {at->second.number, at->second.bytes};
}

void check_device_memory(const void* address, std::size_t bytes, const char* what) {
  const auto* p = static_cast<const std::byte*>(address);
  if (bytes == 0 || find(p).holds(p, bytes)) return;
  const Misuse misuse = misuse_of(p, bytes, what);
  throw SimulatorFault(misuse.fault, str_cat(name_of(misuse.fault), ": ", misuse.what));
}

void on_global_access(const void* address, std::size_t bytes, Access access) {
  BlockRunner& block = runner();
  const auto* p = static_cast<const std::byte*>(address);
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    block.fail(Fault::kMisaligned,
               str_cat(name_of(access), " of ", bytes, " bytes at an address that is no multiple of it"));
  block.count_global(address, bytes, access);
  const Range& range = block_of(p, bytes, access, block.order().era());
  if (range.cells == nullptr) return;
  const auto offset = static_cast<std::size_t>(p - range.begin);
  if (const auto other = block.order().on_access(range.cells + offset / kCellBytes, offset % kCellBytes, bytes, access))
    block.fail_race(*other, str_cat(name_of(access), " of ", bytes, " bytes at ", address, ", byte ", offset,
                                    " of a block of ", range.end - range.begin));
}

}  // namespace attune::simulated
