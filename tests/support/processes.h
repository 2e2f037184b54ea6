// The processes of a test program that runs under mpirun, joined for all of its tests.
#pragma once

#include "engine/comm/communicator.h"

namespace attune::testing {

/// Those that the launcher has started; this one alone if there is no launcher.
Communicator& joined_processes();

}  // namespace attune::testing
