// A run of several processes, as mpirun or srun start them: `mpirun -n 4 train_bert ...`.
//
// All processes get the same command line, read the same data and have the whole model; each computes its share of
// every batch (engine/comm/communicator.h). Rank 0 prints and writes files. Errors are printed by the rank that has
// them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/comm/device_exchange.h"
#include "engine/tensor/device.h"

namespace attune {

/// Joins the processes that the launcher has started, if it has started several. A rank that is not heard of for
/// `patience` seconds then ends the run, with one line. Divides the processors among the processes of this machine if
/// `threads` is 0, and gives each a GPU of its own. The output of all ranks but 0 is dropped. Before anything is computed;
/// later calls change nothing. Throws Error if the processes cannot be joined, or if they use GPUs and nothing says which is
/// whose.
void join_launched(int threads, int patience, Device device);
/// The processes that were joined; this one alone if none were.
Communicator& processes();
/// What the GPUs of these processes exchange gradients by; null without other processes, or without NCCL, which a
/// warning then says. Every rank calls it, when its GPU is in use.
DeviceExchange* exchange_of_gpus();
/// Whether this process prints and writes files.
inline bool leads() {
  return processes().rank() == 0;
}
/// Throws Error naming the rank and the option if a process has other options or data than rank 0, by name and value.
void check_same_run(const std::vector<std::pair<std::string, std::string>>& options);
/// At the end of a run that has succeeded, on every rank.
void leave_processes();

}  // namespace attune
