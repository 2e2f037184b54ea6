// The contexts of tensors: one for each device, for the whole process.
#pragma once

#include <cstddef>
#include <string>

#include "engine/tensor/device.h"
#include "kernels/context.h"

namespace attune {

/// The context of the process's CUDA device, created at the first call; it does not touch tensors of other devices.
/// Throws Error saying why if no CUDA device may be used (never usable if !kernels::kHasCudaOps).
kernels::CudaContext& cuda_context();

/// The context of all tensors in host memory.
const kernels::CpuContext& cpu_context();
/// Whether products of float32 matrices on the CPU round their operands to bfloat16 from now on.
void set_bfloat16_products(bool on);
/// Whether they are faster then (kernels/context.h).
bool fast_bfloat16_products();

/// Whether products of float32 matrices on the CUDA device round their operands to TF32 from now on.
void set_tensor_float32(bool on);
/// Whether attention on the CUDA device is cuDNN's from now on (kernels/cuda/cudnn_attention.h). Throws Error saying
/// why if cuDNN cannot be used.
void set_cudnn_attention(bool on);

/// Bytes of device memory: tensors in use, their maximum since the last reset, memory taken by others (libraries,
/// graphs, other processes), and the total of the device.
struct DeviceMemory {
  std::size_t in_use, peak, others, total;
  std::string device_name;
};
DeviceMemory cuda_memory();
/// Returns device memory that was kept for later tensors.
void release_cuda_memory();
void reset_cuda_memory_peak();

}  // namespace attune
