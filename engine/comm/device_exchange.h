// What the GPUs of the processes of a run exchange directly, without their hosts: by NCCL.
//
// The calls only start work of a stream of the device, and may be captured with it. All are collective, as those of
// Communicator (engine/comm/communicator.h). Traffic of an exchange and a gather of the sums is that of a ring
// all-reduce, 2 (world - 1) / world of the bytes; the order of additions is ours.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "engine/comm/processes.h"

namespace attune {

class DeviceExchange {
 public:
  virtual ~DeviceExchange() = default;
  virtual int rank() const = 0;
  virtual int world() const = 0;

  /// Sends part r of `send`, `bytes` bytes, to rank r, and receives part r of `receive` from it: [world, bytes] both, in
  /// different device memory. Throws Error if it cannot be started.
  virtual void exchange(const void* send, void* receive, std::size_t bytes, void* stream) = 0;
  /// Replaces part r of `values`, [world, bytes], by that of rank r. Throws Error if it cannot be started.
  virtual void gather(void* values, std::size_t bytes, void* stream) = 0;

  /// The error of work that was started, empty if there is none. By any thread.
  virtual std::string failure() = 0;
  /// Lets the work end that still waits for other ranks; returns after a second at most. By any thread, before the
  /// process ends.
  virtual void abort() = 0;
};

/// What join_devices has found: an exchange, or why there is none.
struct JoinedDevices {
  std::unique_ptr<DeviceExchange> exchange = nullptr;
  std::string missing = {};
};

/// Joins the GPUs of the processes: the first device that each sees. `module` is libattune_nccl.so. All ranks get an
/// exchange, or none gets one, and `missing` is the reason of the lowest rank that has a reason; one is that not all have
/// joined within MpiProcesses::join_limit(). Collective.
JoinedDevices join_devices(const std::string& module, MpiProcesses& processes);

}  // namespace attune
