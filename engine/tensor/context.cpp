#include "engine/tensor/context.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"

#include <algorithm>

namespace attune {

kernels::CudaContext& cuda_context() {
  // Never destroyed: tensors in static storage may outlive any order of destruction.
  static kernels::CudaContext* context = new kernels::CudaContext;
  return *context;
}

namespace {
kernels::CpuContext the_cpu_context;
}

const kernels::CpuContext& cpu_context() {
  return the_cpu_context;
}

void set_bfloat16_products(bool on) {
  the_cpu_context.bfloat16_products = on;
}

bool fast_bfloat16_products() {
  return kernels::fast_bfloat16_products();
}

void set_tensor_float32(bool on) {
  cuda_context().set_matmul_precision(on ? cuda::MatmulPrecision::kTensorFloat32 : cuda::MatmulPrecision::kFloat32);
}

void set_cudnn_attention(bool on) {
  cuda_context().set_cudnn_attention(on);
}

DeviceMemory cuda_memory() {
  const cuda::ArenaUse use = cuda::arena_use();
  const std::size_t total = cuda::device_info().total_bytes, taken = total - std::min(cuda::free_bytes(), total);
  return {use.in_use, use.peak, taken - std::min(use.reserved, taken), total, cuda::device_info().name};
}

void release_cuda_memory() {
  cuda::arena_release();
}

void reset_cuda_memory_peak() {
  cuda::reset_arena_peak();
}

}  // namespace attune
