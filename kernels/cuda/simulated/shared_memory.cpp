#include "kernels/cuda/simulated/shared_memory.h"

#include <cstring>

#include "kernels/cuda/simulated/block.h"
#include "kernels/cuda/simulated/memory.h"

namespace attune::simulated {
namespace {

int warp_of(std::uint16_t thread) {
  return thread / kWarpSize;
}

std::string thread_name(std::uint16_t thread) {
  return str_cat("thread ", thread, " of the block");
}

}  // namespace

void SharedMemory::Region::resize(std::size_t bytes) {
  if (size != bytes || !storage) storage = std::make_unique<std::byte[]>(bytes);
  size = bytes;
  if (cells.size() < (bytes + kCellBytes - 1) / kCellBytes) cells.resize((bytes + kCellBytes - 1) / kCellBytes);
  poison();
}

void SharedMemory::Region::poison() {
  std::memset(storage.get(), kPoison, size);
}

void SharedMemory::begin_block(std::size_t dynamic_bytes, std::uint32_t time) {
  dynamic_.resize(dynamic_bytes);
  begin_ = time;
}

std::byte* SharedMemory::variable(const void* key, std::size_t bytes, BlockRunner& runner) {
  Region& region = static_[key];
  if (!region.storage) {
    region.resize(bytes);
    std::size_t total = dynamic_.size, fixed = 0;
    for (const auto& [_, other] : static_) total += other.size, fixed += other.size;
    if (fixed > kMaxStaticShared || total > kMaxShared)
      runner.fail(Fault::kBadLaunch,
                  str_cat(fixed, " bytes of shared variables and ", dynamic_.size, " of dynamic shared memory; ",
                          kMaxStaticShared, " and together ", kMaxShared, " are granted"));
  }
  return region.bytes();
}

bool SharedMemory::contains(const void* address) const {
  const auto* p = static_cast<const std::byte*>(address);
  if (dynamic_.holds(p)) return true;
  for (const auto& [_, region] : static_)
    if (region.holds(p)) return true;
  return false;
}

SharedMemory::Found SharedMemory::find(const void* address, std::size_t bytes, const char* what, BlockRunner& runner) {
  const auto* p = static_cast<const std::byte*>(address);
  Region* region = nullptr;
  if (dynamic_.holds(p))
    region = &dynamic_;
  else
    for (auto& [_, candidate] : static_)
      if (candidate.holds(p)) region = &candidate;
  if (region == nullptr)
    runner.fail(Fault::kOutOfBounds, str_cat(what, " of ", bytes, " bytes that is not in shared memory"));
  const std::size_t offset = static_cast<std::size_t>(p - region->bytes());
  if (offset + bytes > region->size)
    runner.fail(Fault::kOutOfBounds,
                str_cat(what, " of ", bytes, " bytes at byte ", offset, " of ", region->size, " of shared memory"));
  if (offset % bytes != 0)
    runner.fail(Fault::kMisaligned, str_cat(what, " of ", bytes, " bytes at byte ", offset, " of shared memory"));
  Cell* cell = region->cells.data() + offset / kCellBytes;
  return {{cell, cell + (bytes + kCellBytes - 1) / kCellBytes}, offset};
}

SharedMemory::Span SharedMemory::cells(const void* address, std::size_t bytes, const char* what, BlockRunner& runner) {
  const Found found = find(address, bytes, what, runner);
  runner.count_shared(found.offset, bytes);
  return found.span;
}

void SharedMemory::on_read(const void* address, std::size_t bytes, BlockRunner& runner) {
  const Span span = cells(address, bytes, "a read", runner);
  const ThreadState& self = runner.self();
  const auto me = static_cast<std::uint16_t>(self.id);
  for (Cell* cell = span.begin; cell != span.end; ++cell) {
    if (cell->written < begin_) runner.fail(Fault::kUninitialised, "reads shared memory that nobody has written");
    if (cell->pending)
      runner.fail(Fault::kAsyncPending,
                  "reads shared memory that a cp.async of " + thread_name(cell->writer) + " is still filling");
    if (cell->writer != me && cell->written >= runner.barrier_time()) {
      const bool same_warp = cell->writer != kAtomic && warp_of(cell->writer) == self.warp();
      if (!same_warp || cell->written >= self.synced)
        runner.fail(Fault::kRace,
                    "reads shared memory that " + thread_name(cell->writer) + " wrote, with no barrier between");
    }
    // Remember who reads: one thread, several lanes of a warp, or several warps.
    if (cell->read >= runner.barrier_time() && cell->reader != me && cell->reader != kManyWarps) {
      const int warp = (cell->reader & kManyLanes) != 0 ? cell->reader & 0xFF : warp_of(cell->reader);
      if (warp != self.warp())
        cell->reader = kManyWarps;
      else if (cell->read >= self.synced)
        cell->reader = static_cast<std::uint16_t>(kManyLanes | warp);
      else
        cell->reader = me;
    } else if (cell->read < runner.barrier_time()) {
      cell->reader = me;
    }
    cell->read = runner.time();
  }
}

// A write must be ordered after the reads and writes of other threads.
void SharedMemory::check_writable(const Cell& cell, BlockRunner& runner) const {
  const ThreadState& self = runner.self();
  const auto me = static_cast<std::uint16_t>(self.id);
  if (cell.written >= begin_ && cell.pending)
    runner.fail(Fault::kAsyncPending,
                "writes shared memory that a cp.async of " + thread_name(cell.writer) + " is still filling");
  if (cell.written >= runner.barrier_time() && cell.writer != me) {
    const bool same_warp = cell.writer != kAtomic && warp_of(cell.writer) == self.warp();
    if (!same_warp || cell.written >= self.synced)
      runner.fail(Fault::kRace,
                  "writes shared memory that " + thread_name(cell.writer) + " wrote, with no barrier between");
  }
  if (cell.read >= runner.barrier_time() && cell.reader != me) {
    const bool many = (cell.reader & kManyLanes) != 0;
    const bool same_warp =
        cell.reader != kManyWarps && (many ? cell.reader & 0xFF : warp_of(cell.reader)) == self.warp();
    if (!same_warp || cell.read >= self.synced)
      runner.fail(Fault::kRace,
                  str_cat("writes shared memory that ", many ? std::string("other threads") : thread_name(cell.reader),
                          " read, with no barrier between"));
  }
}

void SharedMemory::on_write(const void* address, std::size_t bytes, BlockRunner& runner) {
  const Span span = cells(address, bytes, "a write", runner);
  for (Cell* cell = span.begin; cell != span.end; ++cell) {
    check_writable(*cell, runner);
    cell->written = runner.time();
    cell->writer = static_cast<std::uint16_t>(runner.self().id);
    cell->pending = false;
  }
}

void SharedMemory::on_atomic(const void* address, std::size_t bytes, BlockRunner& runner) {
  const Span span = cells(address, bytes, "an atomic", runner);
  for (Cell* cell = span.begin; cell != span.end; ++cell) {
    if (cell->written < begin_)
      runner.fail(Fault::kUninitialised, "an atomic on shared memory that nobody has written");
    if (cell->writer != kAtomic || cell->written < runner.barrier_time()) check_writable(*cell, runner);
    cell->written = runner.time();
    cell->writer = kAtomic;
    cell->pending = false;
  }
}

void SharedMemory::on_async_issue(std::byte* address, std::size_t bytes, BlockRunner& runner) {
  const Span span = cells(address, bytes, "a cp.async", runner);
  for (Cell* cell = span.begin; cell != span.end; ++cell) {
    check_writable(*cell, runner);
    cell->written = runner.time();
    cell->writer = static_cast<std::uint16_t>(runner.self().id);
    cell->pending = true;
  }
  std::memset(address, kPoison, bytes);
}

void SharedMemory::on_async_arrive(const AsyncCopy& copy, BlockRunner& runner) {
  const Span span = find(copy.to, static_cast<std::size_t>(copy.size), "a cp.async", runner).span;
  for (Cell* cell = span.begin; cell != span.end; ++cell) {
    cell->pending = false;
    cell->written = runner.time();
    cell->writer = static_cast<std::uint16_t>(runner.self().id);
  }
  std::memcpy(copy.to, copy.bytes.data(), static_cast<std::size_t>(copy.size));
}

}  // namespace attune::simulated
