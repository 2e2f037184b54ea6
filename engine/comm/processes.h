// The processes that a launcher (mpirun, srun) has started together, joined by MPI.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "engine/comm/communicator.h"

namespace attune {

struct MpiOptions {
  /// A rank is lost if nothing was heard of it for so long, or if it has not joined after three times as long, since
  /// programs begin at different times.
  std::chrono::milliseconds patience{20000};
  /// Called by another thread when a rank is lost, with one line that names it, or when exchanges fail. Afterwards all
  /// processes end.
  std::function<void(const std::string& line)> on_failure = {};
};

/// Exchanges by MPI, and watches the other processes.
class MpiProcesses : public Communicator {
 public:
  /// How long to wait until all have joined.
  virtual std::chrono::milliseconds join_limit() const = 0;
  /// Asked again and again from now on, by another thread, for an error of this process; a text ends the run as a rank
  /// that is lost does.
  virtual void watch_for(std::function<std::string()> failure) = 0;
  /// Ends MPI after the last exchange; every rank must call it. A process that ends without it ends all.
  virtual void leave() = 0;
};

/// The number of processes that the launcher has started, from its environment variables; 1 without a launcher.
int launched_world();
/// The rank that the launcher has given this process; 0 without a launcher.
int launched_rank();
/// The same among the processes on this machine; -1 if the launcher does not say.
int launched_local_rank();

/// Joins the processes that the launcher has started; `module` is libattune_mpi.so. Throws Error if it is missing or
/// cannot be loaded, or if MPI finds another number of processes than the launcher has named.
std::unique_ptr<MpiProcesses> join_processes(const std::string& module, const MpiOptions& options);

}  // namespace attune
