// Which GPU the process has, if any.
//
// Only kernels/cuda accesses a GPU: device_info.h, stream.h (order of work), memory.h and context.h (context of ops)
// declare the interface without CUDA types. It has three implementations, and CMake links one of them (ATTUNE_CUDA):
// nvidia/, on the CUDA runtime; simulated/, which runs the same kernels on the CPU and reports errors that a GPU
// ignores; and absent.cpp, which has no device and builds without the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace attune::cuda {

/// Whether this process may use a GPU. The simulated one must be requested: ATTUNE_SIMULATE_GPU=1.
bool available();
/// Why not, in one line; empty if it may.
std::string unavailable_reason();
/// Draws the thread schedules of a simulated device from this seed (at first ATTUNE_SIMULATOR_SEED, or 1); a GPU has
/// its own.
void set_schedule_seed(std::uint64_t seed);
/// "nvidia", "simulated" or "none".
const char* backend_name();

struct DeviceInfo {
  std::string name;
  int compute_capability;  // 80 is 8.0
  int multiprocessors;
  std::size_t shared_bytes;  // a block may use, after opting in
  std::size_t total_bytes;
};
/// The current device. Throws Error if there is none.
const DeviceInfo& device_info();

}  // namespace attune::cuda
