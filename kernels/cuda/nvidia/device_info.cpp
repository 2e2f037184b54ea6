#include "kernels/cuda/device_info.h"

#include "kernels/cuda/nvidia/cuda_check.h"

namespace attune::cuda {

std::string unavailable_reason() {
  static const std::string reason = [] {
    int count = 0, major = 0, minor = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver)
      return std::string("no CUDA device can be used: there is no NVIDIA driver, or one too old for CUDA ") +
             std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10);
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
      return std::string("no CUDA device can be used: this machine has none");
    if (status != cudaSuccess) return std::string("no CUDA device can be used: ") + cudaGetErrorString(status);
    CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
    if (major >= 8) return std::string();
    return "no CUDA device can be used: the first has compute capability " + std::to_string(major) + "." +
           std::to_string(minor) + ", the kernels need 8.0 or later";
  }();
  return reason;
}

bool available() {
  return unavailable_reason().empty();
}

void set_schedule_seed(std::uint64_t) {}

const char* backend_name() {
  return "nvidia";
}

const DeviceInfo& device_info() {
  static const DeviceInfo info = [] {
    CHECK(available(), unavailable_reason());
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
    return DeviceInfo{.name = properties.name,
                      .compute_capability = 10 * properties.major + properties.minor,
                      .multiprocessors = properties.multiProcessorCount,
                      .shared_bytes = properties.sharedMemPerBlockOptin,
                      .total_bytes = properties.totalGlobalMem};
  }();
  return info;
}

}  // namespace attune::cuda
