// The context of every CUDA op.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/context.h"
#include "kernels/cuda/stream.h"

namespace attune::cuda {

/// The state of matrix products between calls (kernels/cuda/matmul.h).
struct MatmulPlans;

/// How products of float32 matrices are computed: exactly, or with operands rounded to TF32 (10 bits of mantissa).
enum class MatmulPrecision : std::uint8_t { kFloat32, kTensorFloat32 };

/// The second implementation of attention (kernels/cuda/cudnn_attention.h).
struct CudnnPlans;

}  // namespace attune::cuda

namespace attune::kernels {

/// The context of CUDA ops: one stream and the state between calls on it.
class CudaContext {
 public:
  /// Throws Error if no GPU may be used.
  explicit CudaContext(cuda::Priority priority = cuda::Priority::kFirst);
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  const cuda::Stream& stream() const { return stream_; }
  /// A device copy of `bytes` (such as a table of pointers). Equal bytes share one copy, so that a table that repeats
  /// every step is sent once. Copies that are requested during a capture live as long as the context, the rest until 64
  /// others were requested.
  const void* constant(std::span<const std::byte> bytes) const;
  cuda::MatmulPlans& matmul_plans() const { return *matmul_plans_; }
  /// For launches from now on; float32 at first.
  void set_matmul_precision(cuda::MatmulPrecision precision) { matmul_precision_ = precision; }
  cuda::MatmulPrecision matmul_precision() const { return matmul_precision_; }
  /// Which attention is launched from now on: cuDNN's, or attune's (the initial choice). Throws Error if cuDNN cannot
  /// be used.
  void set_cudnn_attention(bool on);
  /// Null: our own.
  cuda::CudnnPlans* cudnn_attention() const { return cudnn_attention_ ? cudnn_plans_.get() : nullptr; }

 private:
  struct Kept;
  std::unique_ptr<Kept> kept_;  // first: its creation checks whether there is a GPU
  cuda::Stream stream_;
  std::shared_ptr<cuda::MatmulPlans> matmul_plans_;
  cuda::MatmulPrecision matmul_precision_ = cuda::MatmulPrecision::kFloat32;
  std::shared_ptr<cuda::CudnnPlans> cudnn_plans_;
  bool cudnn_attention_ = false;
};

}  // namespace attune::kernels
