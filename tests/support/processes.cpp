#include "tests/support/processes.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/parallel.h"
#include "engine/comm/processes.h"

namespace attune::testing {
namespace {

std::unique_ptr<MpiProcesses> joined;

class Joined : public ::testing::Environment {
  void SetUp() override {
    if (launched_world() == 1) return;
    set_num_threads(1);  // there are more processes than processors
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

}  // namespace attune::testing
