// The contexts that tensors live in: one of each device for the whole process.
#pragma once

#include <cstddef>
#include <string>

#include "engine/tensor/device.h"
#include "kernels/context.h"

namespace attune {

/// The context of the process's CUDA device, made at the first call; tensors of other devices are not touched by it.
/// Throws Error saying why where no CUDA device may be used.
kernels::CudaContext& cuda_context();

/// Whether products of float32 matrices on the CUDA device round their operands to TF32 from now on.
void set_tensor_float32(bool on);
/// Whether attention on the CUDA device is cuDNN's from now on (kernels/cuda/cudnn_attention.h). Throws Error saying why
/// where cuDNN cannot be used.
void set_cudnn_attention(bool on);

/// Bytes of device memory: tensors in use, the most there were since the last reset, what others than tensors have taken
/// (libraries, graphs, other processes), and what the device has.
struct DeviceMemory {
  std::size_t in_use, peak, others, total;
  std::string device_name;
};
DeviceMemory cuda_memory();
/// Gives device memory that was kept for further tensors back.
void release_cuda_memory();
void reset_cuda_memory_peak();

}  // namespace attune
