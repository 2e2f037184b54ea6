#include "engine/comm/processes.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/math.h"
#include "base/whole_number.h"
#include "engine/comm/mpi_calls.h"

namespace attune {
namespace {

using namespace std::chrono_literals;

// The variables by which a launcher tells a process the number of processes, its rank, and its rank among those on its
// machine.
struct Launcher {
  const char *world, *rank, *local_rank;
};

constexpr Launcher kLaunchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"},  // Open MPI
    {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_LOCAL_RANK"},     // MVAPICH
    {"PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"},                                     // MPICH and Intel MPI
    {"PMI_SIZE", "PMI_RANK", "PALS_LOCAL_RANKID"},                                   // Cray
    {"PMI_SIZE", "PMI_RANK", "FLUX_TASK_LOCAL_ID"},                                  // Flux
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"},                       // srun
    {"PMI_SIZE", "PMI_RANK", nullptr}};

std::optional<int> launcher_number(const char* name) {
  const char* const text = name == nullptr ? nullptr : std::getenv(name);
  return text == nullptr ? std::nullopt : whole_number<int>(text);
}

struct Launched {
  int world = 1, rank = 0, local_rank = 0;
};

// By the first launcher all of whose variables are there. Some may be those of another launcher that has started this
// one, so numbers of two rows are never mixed; and mpirun of MPICH starts its processes by srun, once on each machine:
// srun's numbers count only if PMI has the same.
Launched launched() {
  for (const Launcher& launcher : kLaunchers) {
    const std::optional<int> world = launcher_number(launcher.world), rank = launcher_number(launcher.rank),
                             local_rank = launcher_number(launcher.local_rank);
    if (!world || !rank || (!local_rank && launcher.local_rank != nullptr)) continue;
    const bool by_srun = std::string_view(launcher.world).starts_with("SLURM");
    if (by_srun && (launcher_number("PMI_SIZE").value_or(*world) != *world ||
                    launcher_number("PMI_RANK").value_or(*rank) != *rank))
      continue;
    if (*world <= 1) return {};
    return {*world, *rank, local_rank.value_or(-1)};
  }
  return {};
}

// How a rank is named in messages.
std::string name_of_process() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return str_cat(host.data(), ", process ", getpid());
}

// One exchange: `make`, of what `owner` has.
struct Job {
  std::function<void()> make;
  std::shared_ptr<const void> owner = {};
};

// MPI's calls are made by one thread of its own: exchanges go on while the caller computes, and MPI needs no locks.
class Mpi : public MpiProcesses {
 public:
  Mpi(OpenMpi* open, const MpiOptions& options) : options_(options), thread_([this, open] { exchange(open); }) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, join_limit(), [&] { return open_; })) return;
    // MPI waits, perhaps for ever: for a process that has ended, or that is no program of attune.
    if (options_.on_failure)
      options_.on_failure(str_cat("not all of the ", launched_world(), " processes have joined within ",
                                  std::chrono::duration_cast<std::chrono::seconds>(join_limit()).count(),
                                  " s; the run ends"));
    std::_Exit(1);
  }
  ~Mpi() override {
    if (thread_.joinable()) abort();
  }

  int rank() const override { return calls_.rank; }
  int world() const override { return calls_.world; }
  std::chrono::milliseconds join_limit() const final { return 3 * options_.patience; }

  Ticket start_sum(std::span<float> values, std::shared_ptr<const void> owner) override {
    return put({[this, values] { sum_now(values); }, std::move(owner)});
  }
  Ticket start_sum_of_parts(std::span<float> values, std::shared_ptr<const void> owner) override {
    return put({[this, values] { sum_parts_now(values); }, std::move(owner)});
  }
  Ticket start_share(std::span<std::byte> bytes, std::shared_ptr<const void> owner) override {
    return put({[this, bytes] { share_now(bytes); }, std::move(owner)});
  }
  void wait(Ticket ticket) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [&] { return done_ >= ticket; });
    --waiting_;
  }
  std::vector<std::string> gather(std::string_view bytes) override {
    std::vector<std::string> out;
    wait(put({[&] { gather_now(bytes, out); }}));
    return out;
  }
  void watch_for(std::function<std::string()> failure) override {
    const std::scoped_lock lock(mutex_);
    failure_ = std::move(failure);
  }
  void leave() override {
    if (!thread_.joinable()) return;
    watch_for({});  // others may end before this one has looked again
    gather({});     // nobody misses signs of life of a process that has left
    {
      const std::scoped_lock lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  // Ends all processes.
  [[noreturn]] void abort() {
    calls_.abort(1);
    std::_Exit(1);
  }

  Ticket put(Job job) {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
    changed_.notify_all();
    return ++put_;
  }

  void exchange(OpenMpi* open) {
    try {
      serve(open);
    } catch (const std::exception& error) {  // memory, for one
      fail(str_cat("the processes cannot exchange: ", error.what()));
    }
  }

  void serve(OpenMpi* open) {
    calls_ = open();
    heard_ = Clock::now();
    gather_now(name_of_process(), names_);
    std::unique_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
    while (!leaving_) {
      if (jobs_.empty()) {
        changed_.wait_for(lock, kBeat);
        lock.unlock();
        watch();
        lock.lock();
        continue;
      }
      {
        const Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job.make();
      }
      lock.lock();
      ++done_;
      changed_.notify_all();
    }
    lock.unlock();
    calls_.finalize();
  }

  // Until the operation has ended. Sleeps between looks while the program computes.
  void complete() {
    const auto begin = Clock::now();
    while (!calls_.done()) {
      watch();
      const bool urgent = waiting_ > 0 && Clock::now() - begin < 10ms;
      urgent ? std::this_thread::yield() : std::this_thread::sleep_for(50us);
    }
  }

  // A piece at a time: MPI counts bytes by an int, and all need room twice.
  void sum_now(std::span<float> values) {
    for (; values.size() > kPiece; values = values.subspan(kPiece)) sum_piece(values.first(kPiece));
    sum_piece(values);
  }

  // Part r of the values is added by rank r.
  void sum_piece(std::span<float> values) {
    const auto ranks = static_cast<std::size_t>(calls_.world);
    const std::size_t part = ceil_div(values.size(), ranks);
    sent_.resize(part * ranks);
    std::ranges::copy(values, sent_.begin());
    std::fill(sent_.begin() + std::ssize(values), sent_.end(), 0.0f);
    const std::span<const float> sum = sum_of_sent(part);
    calls_.start_gather(sum.data(), sent_.data(), narrow<std::int32_t>(sum.size_bytes()));
    complete();
    std::copy_n(sent_.begin(), values.size(), values.begin());
  }

  // Sends part r of sent_, [world, part], to rank r; the sum of what all have sent to this one.
  std::span<const float> sum_of_sent(std::size_t part) {
    const auto ranks = static_cast<std::size_t>(calls_.world);
    received_.resize(part * ranks);
    calls_.start_exchange(sent_.data(), received_.data(), narrow<std::int32_t>(part * sizeof(float)));
    complete();
    for (std::size_t r = 1; r < ranks; ++r)
      for (std::size_t i = 0; i < part; ++i) received_[i] += received_[r * part + i];
    return std::span(received_).first(part);
  }

  // Some columns of the parts at a time.
  void sum_parts_now(std::span<float> values) {
    const auto ranks = static_cast<std::size_t>(calls_.world), own = static_cast<std::size_t>(calls_.rank);
    const std::size_t part = values.size() / ranks, room = std::max<std::size_t>(kPiece / ranks, 1);
    for (std::size_t begin = 0, n = 0; begin < part; begin += n) {
      n = std::min(part - begin, room);
      sent_.resize(n * ranks);
      for (std::size_t r = 0; r < ranks; ++r)
        std::ranges::copy(values.subspan(r * part + begin, n), sent_.begin() + static_cast<std::ptrdiff_t>(r * n));
      std::ranges::copy(sum_of_sent(n), values.subspan(own * part + begin).begin());
    }
  }

  void share_now(std::span<std::byte> bytes) {
    const auto ranks = static_cast<std::size_t>(calls_.world), own = static_cast<std::size_t>(calls_.rank);
    const std::size_t part = bytes.size() / ranks, room = std::max<std::size_t>(kPiece * sizeof(float) / ranks, 1);
    for (std::size_t begin = 0, n = 0; begin < part; begin += n) {
      n = std::min(part - begin, room);
      shared_.resize(n * ranks);
      calls_.start_gather(&bytes[own * part + begin], shared_.data(), narrow<std::int32_t>(n));
      complete();
      for (std::size_t r = 0; r < ranks; ++r)
        std::ranges::copy(std::span(shared_).subspan(r * n, n), bytes.subspan(r * part + begin).begin());
    }
  }

  void gather_now(std::string_view bytes, std::vector<std::string>& out) {
    const auto ranks = static_cast<std::size_t>(calls_.world);
    const std::uint64_t own = bytes.size();
    std::vector<std::uint64_t> sizes(ranks);
    calls_.start_gather(&own, sizes.data(), sizeof own);
    complete();
    out.resize(ranks);
    std::string mine, all;
    for (std::size_t begin = 0; begin < std::ranges::max(sizes); begin += kPiece) {
      const std::size_t room = std::min(std::ranges::max(sizes) - begin, kPiece);
      mine = bytes.substr(std::min(begin, bytes.size()), room);
      mine.resize(room);
      all.resize(room * ranks);
      calls_.start_gather(mine.data(), all.data(), narrow<std::int32_t>(room));
      complete();
      for (std::size_t r = 0; r < ranks; ++r)
        if (sizes[r] > begin) out[r].append(all, r * room, std::min<std::size_t>(sizes[r] - begin, room));
    }
  }

  // Sends a sign of life from time to time, and looks for that of the previous rank.
  void watch() {
    const auto now = Clock::now();
    if (now - looked_ < kBeat) return;
    const bool slept =
        now - looked_ > options_.patience / 2;  // this process was stopped: others may have waited for it
    looked_ = now;
    watch_this_process(now);
    if (calls_.beat() || slept) heard_ = now;
    if (now - heard_ < options_.patience) return;
    const int lost = (calls_.rank + calls_.world - 1) % calls_.world;
    const std::string name = names_.empty() ? "" : str_cat(" (", names_[static_cast<std::size_t>(lost)], ")");
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.patience).count();
    fail(str_cat("rank ", lost, name, " has not been heard of for ", seconds, " s; the run ends"));
  }

  // All ranks may have an error of the same cause: one after the other, so that the first one's line is the only one. A
  // launcher takes a second to end the others.
  void watch_this_process(Clock::time_point now) {
    std::function<std::string()> failure;
    {
      const std::scoped_lock lock(mutex_);
      failure = failure_;
    }
    const std::string line = failure ? failure() : "";
    if (line.empty()) return;
    if (!failed_) failed_ = now;
    if (now - *failed_ >= std::min(calls_.rank, 10) * 1500ms) fail(line);
  }

  [[noreturn]] void fail(const std::string& line) {
    if (options_.on_failure) options_.on_failure(line);
    abort();
  }

  static constexpr auto kBeat = 100ms;
  static constexpr std::size_t kPiece = std::size_t{1} << 22;  // of one call of MPI: values, or bytes of each rank

  MpiOptions options_;
  MpiCalls calls_{};
  std::vector<std::string> names_;
  std::vector<float> sent_, received_;
  std::vector<std::byte> shared_;
  Clock::time_point looked_{}, heard_{};
  std::optional<Clock::time_point> failed_;  // this process, before its turn to end the run

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::function<std::string()> failure_;
  Ticket put_ = 0, done_ = 0;
  std::atomic<int> waiting_{0};
  bool open_ = false, leaving_ = false;
  std::thread thread_;
};

}  // namespace

int launched_world() {
  return launched().world;
}

int launched_rank() {
  return launched().rank;
}

int launched_local_rank() {
  return launched().local_rank;
}

std::unique_ptr<MpiProcesses> join_processes(const std::string& module, const MpiOptions& options) {
  // Global: MPI loads modules of its own, which need its symbols.
  void* const library = dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    throw Error(str_cat("the launcher has started ", launched_world(), " processes, but MPI cannot be loaded (",
                        reason == nullptr ? module : reason,
                        "); attune needs libopenmpi-dev when it is built, and libopenmpi3 when it runs"));
  }
  auto* const open = reinterpret_cast<OpenMpi*>(dlsym(library, kOpenMpi));
  CHECK(open != nullptr, module, ": is not attune's module for MPI");
  auto out = std::make_unique<Mpi>(open, options);
  if (const int world = out->world(); world != launched_world()) {
    out->leave();  // otherwise the end of `out` ends this process before the message
    throw Error(str_cat("the launcher has started ", launched_world(), " processes, but MPI joins ", world,
                        ": it may be of another MPI than ", module));
  }
  return out;
}

}  // namespace attune
