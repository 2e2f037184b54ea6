#include "tests/support/processes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "engine/comm/processes.h"

namespace attune::testing {
namespace {

std::unique_ptr<MpiProcesses> joined;
std::unique_ptr<DeviceExchange> joined_exchange;

class Joined : public ::testing::Environment {
  void SetUp() override {
    if (launched_world() == 1) return;
    set_num_threads(1);  // there are more processes than processors
    // NCCL refuses two processes of one machine on one GPU: here all share it, as if each had a machine of its own.
    setenv("NCCL_HOSTID", std::to_string(launched_rank()).c_str(), 1);
    joined = join_processes(ATTUNE_MPI_MODULE, {});
  }
  void TearDown() override {
    if (joined) joined->leave();
  }
};
[[maybe_unused]] const ::testing::Environment* const environment = ::testing::AddGlobalTestEnvironment(new Joined);

}  // namespace

Communicator& joined_processes() {
  return joined ? *joined : single_process();
}

DeviceExchange* joined_devices() {
  const std::string module = ATTUNE_NCCL_MODULE;
  if (!joined || joined_exchange || module.empty()) return joined_exchange.get();
  JoinedDevices devices = join_devices(module, *joined);
  CHECK(devices.exchange != nullptr, devices.missing);
  joined_exchange = std::move(devices.exchange);
  joined->watch_for([] { return joined_exchange->failure(); });
  return joined_exchange.get();
}

}  // namespace attune::testing
