// Attention has no CUDA kernel yet: both directions say so.
#include "kernels/attention.h"

#include "base/check.h"
#include "kernels/cuda/runtime.h"

namespace attune {

void attention_forward(const CudaContext&, const AttentionForward&) { throw Error("attention: no CUDA implementation"); }
void attention_backward(const CudaContext&, const AttentionBackward&) { throw Error("attention: no CUDA implementation"); }

}  // namespace attune
