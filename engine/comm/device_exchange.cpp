#include "engine/comm/device_exchange.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "base/printable.h"
#include "engine/comm/nccl_calls.h"

namespace attune {
namespace {

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

  // In a thread that the end of the process does not wait for: NCCL may itself wait, for a device that has failed.
  void abort() override {
    struct Wait {
      std::mutex mutex;
      std::condition_variable changed;
      bool done = false;
    };
    const auto wait = std::make_shared<Wait>();
    std::thread([wait, abort = calls_.abort] {
      abort();
      const std::scoped_lock lock(wait->mutex);
      wait->done = true;
      wait->changed.notify_all();
    }).detach();
    std::unique_lock lock(wait->mutex);
    wait->changed.wait_for(lock, std::chrono::seconds(1), [&] { return wait->done; });
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

// The first reason of a rank, as one line; empty if all have none.
std::string first_reason(Communicator& processes, std::string_view mine) {
  const std::vector<std::string> all = processes.gather(mine);
  const auto found = std::ranges::find_if(all, [](const std::string& reason) { return !reason.empty(); });
  return found == all.end() ? "" : one_line(*found);
}

}  // namespace

JoinedDevices join_devices(const std::string& module, Communicator& processes) {
  std::string mine;
  const NcclCalls* const calls = load(module, mine);
  NcclId id{};
  if (calls != nullptr && processes.rank() == 0) mine = calls->make_id(id);
  if (std::string reason = first_reason(processes, mine); !reason.empty()) return {.missing = std::move(reason)};
  const std::vector<std::string> ids = processes.gather({id.data(), id.size()});
  std::ranges::copy(ids.front(), id.begin());
  mine = calls->open(id, processes.rank(), processes.world());
  if (std::string reason = first_reason(processes, mine); !reason.empty()) return {.missing = std::move(reason)};
  return {.exchange = std::make_unique<Nccl>(*calls, processes)};
}

}  // namespace attune
