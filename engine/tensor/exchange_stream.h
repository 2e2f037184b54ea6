// A stream of the CUDA device for exchanges with other processes: they go on next to the main stream's work, and next to
// SideWork's (engine/tensor/side_work.h).
#pragma once

#include "kernels/context.h"

namespace attune {

class ExchangeStream {
 public:
  /// The one of this process.
  static const ExchangeStream& get();

  /// Later work of this stream starts after everything that the main stream has been given so far, SideWork included.
  void follow() const;
  /// Later work of the main stream starts after everything that this stream has been given so far.
  void join() const;

  const kernels::CudaContext& context() const { return *context_; }
  /// The device's own name for it (cuda::Stream::native).
  void* native() const;

 private:
  ExchangeStream();
  kernels::CudaContext* context_;  // never destroyed, as cuda_context()
};

}  // namespace attune
