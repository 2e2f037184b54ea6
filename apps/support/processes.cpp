#include "apps/support/processes.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "engine/comm/processes.h"

namespace attune {
namespace {

using NamedValues = std::vector<std::pair<std::string, std::string>>;

// Never destroyed: a process that ends with an error ends without MPI, which ends all others.
MpiProcesses* joined = nullptr;
// The same; null: they have none, or it was not asked for. The thread of MPI's calls reads it.
std::atomic<DeviceExchange*> gpu_exchange = nullptr;

std::string module_path(const char* name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

// The run ends: what still waits for other GPUs must not keep this one.
void on_failure(const std::string& line) {
  std::fprintf(stderr, "error: %s\n", line.c_str());
  if (DeviceExchange* const exchange = gpu_exchange) exchange->abort();
}

std::string failure_of_devices() {
  const std::string failure = gpu_exchange.load()->failure();
  return failure.empty() ? "" : str_cat("the exchange of gradients between GPUs failed: ", failure, "; the run ends");
}

// Makes one GPU visible to this process: of those that the environment lists, or of all. A list of one stays: srun may
// have given each process its own. Before MPI starts, whose threads may read the environment.
void choose_gpu(Device device) {
  const char* const listed = std::getenv("CUDA_VISIBLE_DEVICES");
  if (listed != nullptr && std::string_view(listed).find(',') == std::string_view::npos) return;
  const int local_rank = launched_local_rank();
  if (local_rank < 0) {
    CHECK(device != Device::kCuda,
          "the launcher does not say which GPU is whose; set CUDA_VISIBLE_DEVICES for each process");
    return;
  }
  std::string chosen = std::to_string(local_rank);
  if (listed != nullptr) {
    std::istringstream devices(listed);
    for (int i = 0; i <= local_rank; ++i)
      if (!std::getline(devices, chosen, ',')) chosen.clear();
  }
  setenv("CUDA_VISIBLE_DEVICES", chosen.c_str(), 1);
}

// Its share of the processors that it may use: a launcher may have given each process its own.
int share_of_processors() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
  std::string mine(256, '\0');
  gethostname(mine.data(), mine.size() - 1);
  mine.append(reinterpret_cast<const char*>(&usable), sizeof usable);
  const std::vector<std::string> all = joined->gather(mine);
  return std::max(1, CPU_COUNT(&usable) / static_cast<int>(std::ranges::count(all, mine)));
}

// Names and values, one after the other.
std::string text_of(const NamedValues& options) {
  std::string out;
  for (const auto& [name, value] : options) out += name + '\0' + value + '\0';
  return out;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, '\0');) out.push_back(word);
  return out;
}

// The first option in which a process differs from rank 0, with both values.
std::string difference(const std::string& rank_0, const std::string& other) {
  const std::vector<std::string> a = words_of(rank_0), b = words_of(other);
  const auto [at, found] = std::ranges::mismatch(a, b);
  if (at == a.end() || found == b.end() || (at - a.begin()) % 2 == 0) return "other options than rank 0";
  return str_cat(printable(at[-1]), " '", printable(*found), "', rank 0 has '", printable(*at), "'");
}

}  // namespace

void join_launched(int threads, int patience, Device device) {
  if (launched_world() <= 1 || joined != nullptr) return;
  choose_gpu(device);
  joined = join_processes(module_path("libattune_mpi.so"), {std::chrono::seconds(patience), on_failure}).release();
  const int share = share_of_processors();  // on every rank: --threads may differ
  if (threads == 0) set_num_threads(share);
  if (leads()) {
    std::cout << "Processes: " << joined->world() << std::endl;
    return;
  }
  if (std::freopen("/dev/null", "w", stdout) == nullptr) throw IoError("/dev/null", "cannot be opened");
  std::cerr.setstate(std::ios::failbit);  // warnings; errors are printed without it
}

DeviceExchange* exchange_of_gpus() {
  static bool asked = false;
  if (joined == nullptr || std::exchange(asked, true)) return gpu_exchange;
  JoinedDevices found = join_devices(module_path("libattune_nccl.so"), *joined);
  if (found.exchange == nullptr) {
    std::cerr << "warning: gradients are exchanged through the host, which takes longer: NCCL cannot be used: "
              << found.missing << std::endl;
    return nullptr;
  }
  gpu_exchange = found.exchange.release();
  joined->watch_for(failure_of_devices);
  return gpu_exchange;
}

Communicator& processes() {
  return joined != nullptr ? *joined : single_process();
}

void check_same_run(const NamedValues& options) {
  const std::vector<std::string> texts = processes().gather(text_of(options));
  for (std::size_t r = 1; r < texts.size(); ++r)
    CHECK(texts[r] == texts[0], "the processes of a run differ: rank ", r, " has ", difference(texts[0], texts[r]));
}

void leave_processes() {
  if (joined != nullptr) joined->leave();
}

}  // namespace attune
