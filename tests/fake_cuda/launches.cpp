// Kernels of the fake device, and the kernels of attune, which the simulator runs: their launches go through
// kernels/cuda/nvidia/launch.cpp and wait on the fake device's streams.
#include "tests/fake_cuda/launches.h"

#include "base/check.h"
#include "kernels/cuda/nvidia/launch.cuh"
#include "kernels/cuda/simulated/block.h"
#include "tests/fake_cuda/control.h"
#include "tests/fake_cuda/device.h"

namespace attune::fake_cuda {
namespace {

struct Kernel {
  Pack pack;
  std::size_t static_bytes = 0,
              dynamic_bytes = std::size_t{48} << 10;  // a kernel may have without being asked for more
};
std::map<const void*, Kernel>& kernels() {
  static auto* instance = new std::map<const void*, Kernel>;
  return *instance;
}

bool valid(dim3 grid, dim3 block) {
  const auto threads = std::uint64_t{block.x} * block.y * block.z;
  return grid.x != 0 && grid.y != 0 && grid.z != 0 && grid.x <= 0x7FFFFFFFu && grid.y <= 65535 && grid.z <= 65535 &&
         threads != 0 && threads <= 1024 && block.z <= 64;
}

}  // namespace

void register_kernel(const void* kernel, Pack pack, std::size_t static_bytes) {
  const std::scoped_lock lock(device().mutex);
  if (const auto [at, fresh] = kernels().try_emplace(kernel, Kernel{std::move(pack), static_bytes}); fresh)
    at->second.dynamic_bytes -= static_bytes;
}

}  // namespace attune::fake_cuda

namespace attune::cuda {

// The place of simulated/stream.cpp's function of this name.
void enqueue_grid(const Stream& stream, const simulated::GridShape& shape, const void* kernel,
                  std::function<void()> thread) {
  fake_cuda::register_kernel(kernel, [](void** arguments) -> std::function<void(const fake_cuda::Grid&)> {
    return [shape = *static_cast<const simulated::GridShape*>(arguments[0]),
            thread = *static_cast<const std::function<void()>*>(arguments[1])](const fake_cuda::Grid& g) {
      const simulated::GridShape launched{
          shape.name, {g.grid[0], g.grid[1], g.grid[2]}, {g.block[0], g.block[1], g.block[2]}, shape.shared_bytes};
      simulated::run_grid(launched, thread);
    };
  });
  simulated::GridShape kept = shape;
  void* arguments[] = {&kept, &thread};
  launch_packed(shape.name, kernel, {shape.grid.x, shape.grid.y, shape.grid.z},
                {shape.block.x, shape.block.y, shape.block.z}, shape.shared_bytes, stream, arguments);
}

}  // namespace attune::cuda

using namespace attune::fake_cuda;  // the functions below are those of the interface, which has no namespace

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  const Call call("cudaFuncGetAttributes");
  if (!call.ok()) return call.error();
  const auto found = kernels().find(kernel);
  if (found == kernels().end()) return call.end(cudaErrorInvalidDeviceFunction);
  *attributes = {.sharedSizeBytes = found->second.static_bytes};
  return call.end(cudaSuccess);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Call call("cudaFuncSetAttribute");
  if (!call.ok()) return call.error();
  const auto found = kernels().find(kernel);
  if (found == kernels().end()) return call.end(cudaErrorInvalidDeviceFunction);
  const auto bytes = static_cast<std::size_t>(value);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      bytes + found->second.static_bytes > attune::simulated::kMaxShared)
    return call.end(cudaErrorInvalidValue);
  found->second.dynamic_bytes = bytes;
  return call.end(cudaSuccess);
}

cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared_bytes,
                             cudaStream_t stream) {
  const Call call("cudaLaunchKernel");
  if (!call.ok()) return call.error();
  const auto found = kernels().find(kernel);
  if (found == kernels().end()) return call.end(cudaErrorInvalidDeviceFunction);
  if (!valid(grid, block)) return call.end(cudaErrorInvalidConfiguration);
  if (shared_bytes > found->second.dynamic_bytes) return call.end(cudaErrorInvalidValue);
  const Grid shape{{grid.x, grid.y, grid.z}, {block.x, block.y, block.z}};
  return call.end(put(stream, [shape, run = found->second.pack(arguments)] {
    if (device().compute) run(shape);
  }));
}
