#include "kernels/cuda/nvidia/launch.cuh"

#include <cstdlib>
#include <map>
#include <mutex>

#include "kernels/cuda/device_info.h"
#include "kernels/cuda/nvidia/cuda_check.h"
#include "kernels/cuda/nvidia/stream_state.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {
namespace {

bool synchronous() {
  static const bool value = std::getenv("ATTUNE_CUDA_SYNC") != nullptr;
  return value;
}

void check_launch(cudaError_t status, const char* kernel) {
  if (status == cudaErrorNoKernelImageForDevice) {
    const DeviceInfo& info = device_info();
    throw Error(str_cat("cuda: this build has no kernels for ", info.name, ", of compute capability ",
                        info.compute_capability / 10, ".", info.compute_capability % 10,
                        ": build it with the preset cuda_native or cuda_portable"));
  }
  CHECK(status == cudaSuccess, "cuda: kernel ", kernel, ": ", cudaGetErrorString(status));
}

// Asks the device, once, for more dynamic shared memory than a kernel has unasked.
void allow_shared(const char* name, const void* kernel, std::size_t shared_bytes) {
  constexpr std::size_t kUnasked = 40 << 10;  // 48 KiB, less what kernels declare themselves
  if (shared_bytes <= kUnasked) return;
  static std::mutex mutex;
  static std::map<const void*, std::size_t> allowed;
  const std::scoped_lock lock(mutex);
  if (shared_bytes <= allowed[kernel]) return;
  cudaFuncAttributes attributes{};
  check_launch(cudaFuncGetAttributes(&attributes, kernel), name);
  const std::size_t all = shared_bytes + attributes.sharedSizeBytes;
  CHECK(all <= device_info().shared_bytes, "cuda: kernel ", name, " needs ", all,
        " bytes of shared memory, the gpu grants ", device_info().shared_bytes);
  check_launch(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)), name);
  allowed[kernel] = shared_bytes;
}

}  // namespace

void launch_packed(const char* name, const void* kernel, Dim3 grid, Dim3 block, std::size_t shared_bytes,
                   const Stream& stream, void** arguments) {
  allow_shared(name, kernel, shared_bytes);
  cudaError_t status = cudaLaunchKernel(kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, arguments,
                                        shared_bytes, stream.state().stream);
  if (status == cudaSuccess && synchronous() && !stream.state().capture)
    status = cudaStreamSynchronize(stream.state().stream);
  check_launch(status, name);
  stream.state().started(name);
}

}  // namespace attune::cuda
