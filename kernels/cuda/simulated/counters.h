// Counts the memory accesses of a kernel while it is simulated: a profiler without a GPU.
//
// The n-th access of each lane of a warp since the last collective or barrier of the lanes counts as one request of the
// warp. This is correct for lanes that run the same path. A global request touches sectors of 32 bytes; a shared one
// takes a wavefront per 4-byte word that falls on an already busy bank, in phases of 32, 16 or 8 lanes for accesses of
// 4, 8, 16 bytes. Counting is off unless requested: set_counting(true), or ATTUNE_SIMULATOR_COUNT=1, which prints the
// table at exit.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/cuda/simulated/memory.h"

namespace attune::simulated {

/// One kernel's counts over all launches.
struct KernelCounts {
  std::uint64_t blocks = 0, barriers = 0, products = 0;  // mma instructions of a warp
  std::uint64_t global_requests = 0, global_bytes = 0, global_sectors = 0;
  std::uint64_t shared_requests = 0, shared_wavefronts = 0, shared_ideal = 0;  // wavefronts without a bank conflict

  void operator+=(const KernelCounts& other);
  /// Bytes requested per byte moved from or to global memory, at most 1 unless lanes share bytes.
  double global_efficiency() const {
    return global_sectors == 0 ? 1 : static_cast<double>(global_bytes) / (32.0 * static_cast<double>(global_sectors));
  }
};

/// Sectors of a block of device memory that warps accessed.
struct SectorCounts {
  std::uint64_t read = 0, written = 0;  // an atomic is both
  std::size_t bytes = 0;                // of the block
};

/// What one block of a grid did.
struct BlockCounts {
  KernelCounts kernel;
  std::map<std::uint64_t, SectorCounts> memory;  // by the number of the block of memory
};

void set_counting(bool on);
bool counting();
/// Counts by kernel name since the process began.
std::map<std::string, KernelCounts> kernel_counts();
void add_counts(const std::string& kernel, const KernelCounts& counts);
void print_counts(std::ostream& out);

/// The accesses of one block's warps.
class BlockCounter {
 public:
  void begin(int warps);
  void global(int warp, int lane, const void* address, std::uint32_t bytes, Access access) {
    Request& request =
        record(warps_[static_cast<std::size_t>(warp)].global, lane, reinterpret_cast<std::uintptr_t>(address), bytes);
    request.access = access, request.place = address;
  }
  /// `address` counts from the start of the shared memory.
  void shared(int warp, int lane, std::uint64_t address, std::uint32_t bytes) {
    record(warps_[static_cast<std::size_t>(warp)].shared, lane, address, bytes);
  }
  /// The lanes of the mask have met.
  void meet(int warp, unsigned mask);
  void barrier();
  void product() { ++counts_.products; }
  BlockCounts end();

 private:
  struct Request {
    std::array<std::uint64_t, 32> address;
    std::array<std::uint32_t, 32> bytes{};  // 0: the lane is skipped
    Access access = Access::kLoad;          // to global memory
    const void* place = nullptr;            // of a lane, there
  };
  struct Accesses {
    std::vector<Request> requests;
    std::array<std::size_t, 32> next{};  // request each lane's next access belongs to
  };
  struct Warp {
    Accesses global, shared;
  };

  static Request& record(Accesses& accesses, int lane, std::uint64_t address, std::uint32_t bytes);
  static void meet(Accesses& accesses, unsigned mask);
  void count_global(const Request& request);
  void count_shared(const Request& request);

  std::vector<Warp> warps_;
  KernelCounts counts_;
  std::map<std::uint64_t, SectorCounts> memory_;
};

}  // namespace attune::simulated
