#include "kernels/cuda/device_info.h"

#include <cstdlib>
#include <string>

#include "kernels/cuda/simulated/block.h"

namespace attune::cuda {
namespace {

// Bytes the device has.
std::size_t memory_size() {
  const char* value = std::getenv("ATTUNE_SIMULATED_MEMORY");
  return value == nullptr ? std::size_t{4} << 30 : std::strtoull(value, nullptr, 10);
}

}  // namespace

std::string unavailable_reason() {
  const char* value = std::getenv("ATTUNE_SIMULATE_GPU");
  if (value != nullptr && std::string(value) == "1") return "";
  return "no CUDA device can be used: this build of attune has no CUDA; build with the cuda preset (for tests, "
         "ATTUNE_SIMULATE_GPU=1 stands in for a device)";
}

bool available() {
  return unavailable_reason().empty();
}

void set_schedule_seed(std::uint64_t seed) {
  simulated::set_seed(seed);
}

const char* backend_name() {
  return "simulated";
}

const DeviceInfo& device_info() {
  static const DeviceInfo info{.name = "block simulator",
                               .compute_capability = 80,
                               .multiprocessors = 4,
                               .shared_bytes = simulated::kMaxShared,
                               .total_bytes = memory_size()};
  return info;
}

}  // namespace attune::cuda
