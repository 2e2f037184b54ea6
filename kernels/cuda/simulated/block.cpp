#include "kernels/cuda/simulated/block.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "base/math.h"
#include "base/parallel.h"
#include "base/per_thread.h"
#include "kernels/cuda/simulated/language.h"

namespace attune::simulated {
namespace {

std::atomic<std::uint64_t>& seed_value() {
  static std::atomic<std::uint64_t> value = [] {
    const char* text = std::getenv("ATTUNE_SIMULATOR_SEED");
    return text == nullptr ? std::uint64_t{1} : std::strtoull(text, nullptr, 10);
  }();
  return value;
}

// splitmix64: enough to draw schedules.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

Dim3 unflatten(std::uint64_t index, Dim3 size) {
  return {static_cast<unsigned>(index % size.x), static_cast<unsigned>(index / size.x % size.y),
          static_cast<unsigned>(index / size.x / size.y)};
}

bool same_place(const SourceLocation& a, const SourceLocation& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

std::string place(const SourceLocation& where) {
  return str_cat(where.file_name(), ":", where.line());
}

std::string tuple(Dim3 d) {
  return str_cat("(", d.x, ",", d.y, ",", d.z, ")");
}

thread_local BlockRunner* running = nullptr;

void check_launch(const GridShape& shape) {
  const auto refuse = [&](const auto&... what) {
    throw SimulatorFault(Fault::kBadLaunch,
                         str_cat(name_of(Fault::kBadLaunch), ": kernel ", shape.name, ": ", what...));
  };
  if (shape.block.count() == 0 || shape.block.count() > kMaxThreads || shape.block.z > 64)
    refuse("a block of ", tuple(shape.block), " threads");
  if (shape.grid.count() == 0 || shape.grid.x > 0x7FFFFFFFu || shape.grid.y > 65535 || shape.grid.z > 65535)
    refuse("a grid of ", tuple(shape.grid), " blocks");
  if (shape.shared_bytes > kMaxShared)
    refuse(shape.shared_bytes, " bytes of shared memory; a block may use ", kMaxShared);
}

BlockRunner& runner_of_thread() {
  static const PerThread<BlockRunner> runners;
  return runners.get();
}

// The place of a lane among the threads of its block.
std::size_t index_of(int warp, int lane) {
  return static_cast<std::size_t>(warp) * kWarpSize + static_cast<std::size_t>(lane);
}

}  // namespace

void set_seed(std::uint64_t value) {
  seed_value() = value;
}
std::uint64_t seed() {
  return seed_value();
}

BlockRunner& runner() {
  if (running == nullptr) throw Error("simulator: device code was called outside of a kernel");
  return *running;
}

void run_grid(const GridShape& shape, const std::function<void()>& thread) {
  check_launch(shape);
  const std::uint64_t blocks = shape.grid.count();
  std::vector<std::uint32_t> order(narrow<std::size_t>(blocks));
  std::iota(order.begin(), order.end(), 0u);
  std::uint64_t state = mix(seed());
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[(state = mix(state)) % i]);
  LaunchOrder launch(blocks);
  constexpr std::int64_t kBlocksPerPiece = 4;
  parallel_for(narrow<std::int64_t>(blocks), kBlocksPerPiece, [&](std::int64_t begin, std::int64_t end) {
    BlockRunner& block_runner = runner_of_thread();
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t index = order[static_cast<std::size_t>(i)];
      block_runner.run(shape, launch, index, thread);
    }
  });
}

std::vector<BlockCounts> run_blocks(const GridShape& shape, std::span<const std::uint64_t> blocks,
                                    const std::function<void()>& thread) {
  check_launch(shape);
  std::vector<BlockCounts> out(blocks.size());
  LaunchOrder launch(shape.grid.count());
  parallel_for(narrow<std::int64_t>(blocks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    BlockRunner& block_runner = runner_of_thread();
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      CHECK(blocks[i] < shape.grid.count(), "block ", blocks[i], " of a grid of ", shape.grid.count());
      out[i] = block_runner.run_counted(shape, launch, blocks[i], thread);
    }
  });
  return out;
}

BlockRunner::BlockRunner() = default;
BlockRunner::~BlockRunner() = default;

std::uint32_t BlockRunner::random() {
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<std::uint32_t>(random_state_ >> 32);
}

void BlockRunner::run(const GridShape& shape, LaunchOrder& order, std::uint64_t block,
                      const std::function<void()>& thread) {
  counting_ = counting();
  run_block(shape, order, block, thread);
  if (counting_) add_counts(shape.name, counter_.end().kernel);
}

BlockCounts BlockRunner::run_counted(const GridShape& shape, LaunchOrder& order, std::uint64_t block,
                                     const std::function<void()>& thread) {
  counting_ = true;
  run_block(shape, order, block, thread);
  return counter_.end();
}

void BlockRunner::run_block(const GridShape& shape, LaunchOrder& order, std::uint64_t block,
                            const std::function<void()>& thread) {
  const std::size_t count = shape.block.count();
  while (fibers_.size() < count) fibers_.push_back(std::make_unique<Fiber>());
  threads_.resize(count);
  shape_ = shape;
  block_ = unflatten(block, shape.grid);
  order_.begin(order, block);
  body_ = &thread;
  for (auto& meetings : meetings_) meetings.clear();
  random_state_ = mix(seed() ^ mix(block)) | 1;
  error_ = nullptr;
  if (time_ > 0xF0000000u) {  // long before it wraps
    shared_.forget();
    time_ = 1;
  }
  barrier_time_ = ++time_;
  shared_.begin_block(shape.shared_bytes, time_);
  for (std::size_t i = 0; i < count; ++i) {
    ThreadState& t = threads_[i];
    t.id = static_cast<int>(i);
    t.index = unflatten(i, shape.block);
    t.wait = ThreadState::Wait::kReady;
    t.started = false;
    t.synced = time_;
    t.copies.clear();
    t.open_group = 0;
    fibers_[i]->start([](void* self) { static_cast<BlockRunner*>(self)->thread_main(); }, this);
  }

  if (counting_) counter_.begin(static_cast<int>(ceil_div<std::size_t>(count, kWarpSize)));
  running = this;
  blockIdx = {block_.x, block_.y, block_.z};
  blockDim = {shape.block.x, shape.block.y, shape.block.z};
  gridDim = {shape.grid.x, shape.grid.y, shape.grid.z};
  const int warps = static_cast<int>(ceil_div<std::size_t>(count, kWarpSize));
  while (!error_) {
    // A random warp that can run; it runs alone for a while.
    const int first = static_cast<int>(random() % static_cast<unsigned>(warps));
    int warp = 0;
    for (; warp < warps; ++warp)
      if (ready_lanes((first + warp) % warps) != 0) break;
    if (warp < warps) {
      run_warp((first + warp) % warps);
      continue;
    }
    if (std::all_of(threads_.begin(), threads_.end(), [](const auto& t) { return t.wait == ThreadState::Wait::kDone; }))
      break;
    try {
      diagnose_stuck();
      release_barrier();
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  if (error_) abort_all();
  running = nullptr;
  self_ = nullptr;
  shared_.end_block();
  if (error_) std::rethrow_exception(error_);
}

// The lanes of a warp that wait for nothing.
unsigned BlockRunner::ready_lanes(int warp) const {
  unsigned ready = 0;
  const std::size_t begin = static_cast<std::size_t>(warp) * kWarpSize;
  const std::size_t end = std::min(begin + kWarpSize, threads_.size());
  for (std::size_t i = begin; i < end; ++i)
    if (threads_[i].wait == ThreadState::Wait::kReady) ready |= 1u << (i - begin);
  return ready;
}

// A random number of rounds; in each, every ready lane runs until it waits, in random order.
void BlockRunner::run_warp(int warp) {
  const unsigned rounds = 1 + random() % 16;
  for (unsigned round = 0; round < rounds && !error_; ++round) {
    unsigned ready = ready_lanes(warp);
    if (ready == 0) return;
    while (ready != 0 && !error_) {
      const unsigned rotation = random() & 31u;
      const int lane = static_cast<int>(
          (static_cast<unsigned>(std::countr_zero(std::rotr(ready, static_cast<int>(rotation)))) + rotation) & 31u);
      ready &= ~(1u << lane);
      ThreadState& t = threads_[index_of(warp, lane)];
      self_ = &t;
      threadIdx = {t.index.x, t.index.y, t.index.z};
      fibers_[static_cast<std::size_t>(t.id)]->resume();
    }
  }
}

// The life of one CUDA thread on its fiber.
void BlockRunner::thread_main() {
  ThreadState& t = *self_;
  t.started = true;
  try {
    (*body_)();
  } catch (const Abort&) {
  } catch (...) {
    if (!error_) error_ = std::current_exception();
  }
  t.wait = ThreadState::Wait::kDone;
}

void BlockRunner::wait(ThreadState::Wait state, const SourceLocation& where) {
  ThreadState& t = *self_;
  t.wait = state;
  t.where = where;
  fibers_[static_cast<std::size_t>(t.id)]->suspend();
  if (aborting_) throw Abort{};
}

void BlockRunner::barrier(const SourceLocation& where) {
  wait(ThreadState::Wait::kBarrier, where);
}

// All live threads wait at a barrier, and diagnose_stuck() found nothing wrong with it.
void BlockRunner::release_barrier() {
  barrier_time_ = ++time_;
  for (ThreadState& t : threads_) {
    t.wait = ThreadState::Wait::kReady;
    t.synced = time_;
  }
  if (counting_) counter_.barrier();
}

Meeting& BlockRunner::meeting_of(int warp, unsigned mask) {
  std::vector<Meeting>& meetings = meetings_[static_cast<std::size_t>(warp)];
  Meeting* free = nullptr;
  for (Meeting& meeting : meetings) {
    if (meeting.arrived == 0)
      free = &meeting;
    else if (meeting.mask == mask)
      return meeting;
  }
  return free != nullptr ? *free : meetings.emplace_back();
}

void BlockRunner::collective(const char* operation, unsigned mask, void* payload, CompleteCollective complete,
                             const SourceLocation& where, bool orders_memory) {
  ThreadState& t = *self_;
  if ((mask >> t.lane() & 1u) == 0)
    fail(Fault::kBadMask, str_cat(operation, " at ", place(where), " with a mask that does not name the calling lane"));
  const std::size_t base = static_cast<std::size_t>(t.warp()) * kWarpSize;
  if (base + static_cast<std::size_t>(std::bit_width(mask)) > threads_.size())
    fail(Fault::kBadMask,
         str_cat(operation, " at ", place(where), " with a mask that names lanes the block does not have"));
  Meeting& meeting = meeting_of(t.warp(), mask);
  if (meeting.arrived == 0)
    meeting.mask = mask, meeting.first = &t;
  else if (meeting.first->operation != operation || !same_place(meeting.first->where, where))
    fail(Fault::kDivergentCollective, str_cat(operation, " at ", place(where), ", while ", describe(*meeting.first)));
  t.operation = operation;
  t.mask = mask;
  t.where = where;
  meeting.payloads[t.lane()] = payload;
  meeting.arrived |= 1u << t.lane();
  if (meeting.arrived != mask) {
    wait(ThreadState::Wait::kCollective, where);
    return;
  }
  meeting.arrived = 0;
  complete(meeting.payloads, mask);
  if (counting_) counter_.meet(t.warp(), mask);
  if (orders_memory) ++time_;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    ThreadState& other = threads_[base + static_cast<std::size_t>(std::countr_zero(rest))];
    other.wait = ThreadState::Wait::kReady;
    if (orders_memory) other.synced = time_;
  }
}

std::string BlockRunner::describe(const ThreadState& t) const {
  switch (t.wait) {
    case ThreadState::Wait::kReady:
      return str_cat("thread ", tuple(t.index), " runs");
    case ThreadState::Wait::kBarrier:
      return str_cat("thread ", tuple(t.index), " waits at the barrier at ", place(t.where));
    case ThreadState::Wait::kCollective:
      return str_cat("thread ", tuple(t.index), " waits in ", t.operation, " at ", place(t.where));
    case ThreadState::Wait::kDone:
      return str_cat("thread ", tuple(t.index), " has returned");
  }
  return "?";
}

// Called when no thread can run: either all wait at one barrier, or this throws what is wrong.
void BlockRunner::diagnose_stuck() const {
  const auto refuse = [&](Fault fault, const ThreadState& t, const std::string& what) {
    throw SimulatorFault(fault, str_cat(name_of(fault), ": kernel ", shape_.name, ", block ", tuple(block_), ": ",
                                        describe(t), ", ", what));
  };
  for (const ThreadState& t : threads_) {
    if (t.wait != ThreadState::Wait::kCollective) continue;
    for (unsigned rest = t.mask; rest != 0; rest &= rest - 1) {
      const ThreadState& other = threads_[index_of(t.warp(), std::countr_zero(rest))];
      if (other.wait == ThreadState::Wait::kDone) refuse(Fault::kEarlyExit, t, "but " + describe(other));
      if (other.wait == ThreadState::Wait::kBarrier || other.mask != t.mask)
        refuse(Fault::kDivergentCollective, t, "but " + describe(other));
    }
    refuse(Fault::kDivergentCollective, t, "which never completes");
  }
  const auto waiting = std::find_if(threads_.begin(), threads_.end(),
                                    [](const auto& t) { return t.wait == ThreadState::Wait::kBarrier; });
  for (const ThreadState& t : threads_) {
    if (t.wait == ThreadState::Wait::kDone) refuse(Fault::kEarlyExit, *waiting, "but " + describe(t));
    if (!same_place(t.where, waiting->where)) refuse(Fault::kDivergentBarrier, *waiting, "but " + describe(t));
  }
}

// Unwinds every fiber that still waits.
void BlockRunner::abort_all() {
  aborting_ = true;
  for (ThreadState& t : threads_) {
    if (t.wait == ThreadState::Wait::kDone) continue;
    if (t.wait == ThreadState::Wait::kReady && !t.started) continue;
    self_ = &t;
    fibers_[static_cast<std::size_t>(t.id)]->resume();
  }
  aborting_ = false;
}

void BlockRunner::fail_race(std::uint64_t other_block, const std::string& what) const {
  fail(Fault::kBlockRace, str_cat(what, ", where block ", tuple(unflatten(other_block, shape_.grid)),
                                  " is, too; at least one writes, and no fence and atomic order them"));
}

void BlockRunner::fail(Fault fault, const std::string& what) const {
  throw SimulatorFault(fault, str_cat(name_of(fault), ": kernel ", shape_.name, ", block ", tuple(block_), ", thread ",
                                      tuple(self_->index), ": ", what));
}

}  // namespace attune::simulated
