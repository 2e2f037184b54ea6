// Attention by NVIDIA's cuDNN: a second implementation of kernels/attention.h on the device, to check attune's
// attention and to compare the time. A build has it with -D ATTUNE_CUDNN=ON; nothing needs it.
//
// It supports bfloat16 without dropout (its random masks differ from attune's), and packed batches from compute
// capability 9.0 on. Rows after the keys of their sequence are not queries for it: their output and gradients are 0. It
// saves lse in a different order, [B, H, T] for a padded batch and [N, H] for a packed one, so a backward needs a
// forward of the same implementation.
#pragma once

#include <memory>

#include "kernels/attention.h"

namespace attune::cuda {

/// Whether this build has it.
bool has_cudnn_attention();

/// The graphs that cuDNN has compiled, one per shape, mask and direction.
struct CudnnPlans;
/// Throws Error if the build has no cuDNN, or the library cannot be used.
std::shared_ptr<CudnnPlans> make_cudnn_plans();

/// Throw Error, saying why, for what cuDNN has no kernel for.
void cudnn_attention_forward(const kernels::CudaContext& context, CudnnPlans& plans,
                             const kernels::AttentionForward& args);
void cudnn_attention_backward(const kernels::CudaContext& context, CudnnPlans& plans,
                              const kernels::AttentionBackward& args);

}  // namespace attune::cuda
