#include "engine/comm/device_exchange.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "base/printable.h"
#include "engine/comm/nccl_calls.h"

namespace attune {
namespace {

// A call that NCCL may never return from, by a thread of its own. If it does not, the thread stays behind until the end of
// the process.
class DetachedCall {
 public:
  /// `call` returns its error, empty if there is none.
  explicit DetachedCall(std::function<std::string()> call) {
    std::thread([state = state_, call = std::move(call)] {
      std::string error;
      try {
        error = call();
      } catch (const std::exception& thrown) {  // memory, for one
        error = str_cat("an error: ", thrown.what());
      }
      const std::scoped_lock lock(state->mutex);
      state->error = std::move(error);
      state->changed.notify_all();
    }).detach();
  }
  /// Waits so long for it at most. None: it has not returned.
  std::optional<std::string> error_within(std::chrono::milliseconds limit) const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, limit, [&] { return state_->error.has_value(); });
    return state_->error;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<std::string> error;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

class Nccl : public DeviceExchange {
 public:
  Nccl(const NcclCalls& calls, const Communicator& processes)
      : calls_(calls), rank_(processes.rank()), world_(processes.world()) {}

  int rank() const override { return rank_; }
  int world() const override { return world_; }
  void exchange(const void* send, void* receive, std::size_t bytes, void* stream) override {
    check(calls_.exchange(send, receive, bytes, stream));
  }
  void gather(void* values, std::size_t bytes, void* stream) override { check(calls_.gather(values, bytes, stream)); }
  std::string failure() override { return one_line(calls_.failure()); }

  // NCCL may itself wait, for a device that has failed.
  void abort() override {
    DetachedCall([abort = calls_.abort] {
      abort();
      return std::string();
    }).error_within(std::chrono::seconds(1));
  }

 private:
  static void check(const std::string& error) {
    if (!error.empty()) throw Error("the exchange of gradients between GPUs failed: " + one_line(error));
  }

  const NcclCalls& calls_;
  int rank_, world_;
};

// The module's calls, or null and why not.
const NcclCalls* load(const std::string& module, std::string& missing) {
  void* const library = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    missing = str_cat("it cannot be loaded (", reason == nullptr ? module : reason,
                      "); attune needs libnccl-dev when it is built, and libnccl2 when it runs");
    return nullptr;
  }
  auto* const open = reinterpret_cast<OpenNccl*>(dlsym(library, kOpenNccl));
  if (open == nullptr) {
    missing = module + ": is not attune's module for NCCL";
    return nullptr;
  }
  return open();
}

// The first reason of a rank, as one line that names it; empty if all have none.
std::string first_reason(const std::vector<std::string>& all) {
  const auto found = std::ranges::find_if(all, [](const std::string& reason) { return !reason.empty(); });
  if (found == all.end()) return {};
  return str_cat("rank ", found - all.begin(), ": ", one_line(*found));
}

// Why not all ranks could open NCCL; empty if they could. It waits for ever for a rank that failed before it met the
// others, or that they cannot reach: ranks ask each other until all have opened it, or one has failed.
std::string open_on_all(const NcclCalls& calls, const NcclId& id, MpiProcesses& processes) {
  const DetachedCall opening(
      [&calls, id, rank = processes.rank(), world = processes.world()] { return calls.open(id, rank, world); });
  const auto limit = processes.join_limit();
  const auto begin = Clock::now();
  while (true) {
    const std::optional<std::string> mine = opening.error_within(std::chrono::milliseconds(10));
    if (std::string reason = first_reason(processes.gather(mine.value_or(""))); !reason.empty()) return reason;
    if (!processes.any(!mine)) return {};
    if (processes.any(Clock::now() - begin > limit))
      return str_cat("not all GPUs have joined within ",
                     std::chrono::duration_cast<std::chrono::seconds>(limit).count(), " s");
  }
}

}  // namespace

JoinedDevices join_devices(const std::string& module, MpiProcesses& processes) {
  std::string mine;
  const NcclCalls* const calls = load(module, mine);
  NcclId id{};
  if (calls != nullptr && processes.rank() == 0) mine = calls->make_id(id);
  if (std::string reason = first_reason(processes.gather(mine)); calls == nullptr || !reason.empty())
    return {.missing = std::move(reason)};
  const std::vector<std::string> ids = processes.gather({id.data(), id.size()});
  std::ranges::copy(ids.front(), id.begin());
  if (std::string reason = open_on_all(*calls, id, processes); !reason.empty()) return {.missing = std::move(reason)};
  return {.exchange = std::make_unique<Nccl>(*calls, processes)};
}

}  // namespace attune
