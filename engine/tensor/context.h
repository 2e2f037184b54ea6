// The contexts that tensors live in: one of each device for the whole process.
#pragma once

#include "engine/tensor/device.h"
#include "kernels/cuda/runtime.h"

namespace attune {

/// The context of the process's CUDA device, made at the first call; tensors of other devices are not touched by it.
/// Throws Error saying why where no CUDA device may be used.
CudaContext& cuda_context();

}  // namespace attune
