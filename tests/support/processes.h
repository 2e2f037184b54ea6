// The processes of a test program that runs under mpirun, joined for all of its tests.
#pragma once

#include "engine/comm/communicator.h"
#include "engine/comm/device_exchange.h"

namespace attune::testing {

/// Those that the launcher has started; this one alone if there is no launcher.
Communicator& joined_processes();
/// The exchange between their simulated devices by the stand-in for NCCL (tests/support/nccl), or by NCCL on a GPU that
/// they share; null for one process, or in a build that has neither.
DeviceExchange* joined_devices();

}  // namespace attune::testing
