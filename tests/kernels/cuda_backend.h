// The CUDA device, a GPU or the simulator, as a backend of the op table.
#pragma once

#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "tests/kernels/op_case.h"

namespace attune::testing {

class CudaBackend : public Backend {
 public:
  std::string name() const override { return cuda::backend_name(); }
  Context context() const override { return &context_; }
  void set_cudnn_attention(bool on) { context_.set_cudnn_attention(on); }
  void* allocate(std::size_t bytes) override { return cuda::allocate(bytes); }
  void release(void* data) override { cuda::deallocate(data); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    cuda::copy_to_device(to, from, bytes, context_.stream());
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    cuda::copy_to_host(to, from, bytes, context_.stream());
    context_.stream().synchronize();
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    cuda::copy_on_device(to, from, bytes, context_.stream());
  }

 private:
  kernels::CudaContext context_;
};

}  // namespace attune::testing
