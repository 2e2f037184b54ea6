// Workers spin briefly for the next loop before they sleep: kernels follow one another within microseconds, and a
// futex wake-up costs more than a small kernel.
#include "base/parallel.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace attune {
namespace {

constexpr int kSpinRounds = 4000;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// One loop in flight: pieces are handed out by an atomic counter.
struct Loop {
  Loop(void (*piece_)(void*, std::int64_t), void* body_, std::int64_t pieces_)
      : piece(piece_), body(body_), pieces(pieces_) {}

  void (*piece)(void*, std::int64_t);
  void* body;
  std::int64_t pieces;
  std::atomic<std::int64_t> next{0};
  std::atomic<int> helpers{0};  // workers inside run()
  std::mutex error_mutex;
  std::exception_ptr error;

  void run() {
    for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      try {
        piece(body, i);
      } catch (...) {
        const std::scoped_lock lock(error_mutex);
        error = std::current_exception();
      }
    }
  }
};

thread_local bool inside_loop = false;

class Pool {
 public:
  explicit Pool(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (const std::exception& error) {
      const std::size_t started = workers_.size() + 1;
      stop();
      throw Error(str_cat("only ", started, " of ", threads, " threads could be started: ", error.what()));
    }
  }
  ~Pool() { stop(); }
  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void run(Loop& loop) {
    const std::scoped_lock one_loop_at_a_time(run_mutex_);
    {
      const std::scoped_lock lock(mutex_);
      loop_ = &loop;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    inside_loop = true;
    loop.run();
    inside_loop = false;
    {
      const std::scoped_lock lock(mutex_);
      loop_ = nullptr;  // late workers find nothing
    }
    // A worker that still computes is soon done, unless another program has its core.
    for (int i = 0; loop.helpers.load(std::memory_order_acquire) != 0;) {
      if (i == kSpinRounds) {
        std::this_thread::yield();
      } else {
        ++i;
        pause_briefly();
      }
    }
  }

 private:
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  void work() {
    inside_loop = true;
    std::uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kSpinRounds && generation_.load(std::memory_order_acquire) == seen; ++i) pause_briefly();
      Loop* loop = nullptr;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load() != seen; });
        seen = generation_.load();
        if (stop_) return;
        loop = loop_;
        if (loop != nullptr) loop->helpers.fetch_add(1, std::memory_order_relaxed);
      }
      if (loop == nullptr) continue;
      loop->run();
      loop->helpers.fetch_sub(1, std::memory_order_release);
    }
  }

  std::mutex run_mutex_, mutex_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> generation_{0};
  Loop* loop_ = nullptr;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

// The pool of the process; null until it is used or its size is set.
std::unique_ptr<Pool> the_pool;

Pool& pool() {
  // Several threads may come first at the same time: one initialises a static, and the others wait for it.
  [[maybe_unused]] static const bool there = [] {
    if (!the_pool) the_pool = std::make_unique<Pool>(usable_cores());
    return true;
  }();
  return *the_pool;
}

}  // namespace

int num_threads() {
  return pool().threads();
}

void set_num_threads(int threads) {
  CHECK(threads >= 1, "the number of threads must be at least 1, not ", threads);
  CHECK(!inside_loop, "the number of threads cannot change inside a parallel loop");
  if (!the_pool || threads != the_pool->threads()) the_pool = std::make_unique<Pool>(threads);
}

void detail::run_pieces(std::int64_t pieces, void (*piece)(void*, std::int64_t), void* body) {
  if (inside_loop || pieces == 1 || pool().threads() == 1) {
    for (std::int64_t i = 0; i < pieces; ++i) piece(body, i);
    return;
  }
  Loop loop(piece, body, pieces);
  pool().run(loop);
  if (loop.error) std::rethrow_exception(loop.error);
}

}  // namespace attune
