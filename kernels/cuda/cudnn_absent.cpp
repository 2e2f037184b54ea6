// The errors of a build without cuDNN.
#include "base/check.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/cudnn_attention.h"

namespace attune::cuda {

struct CudnnPlans {};

bool has_cudnn_attention() {
  return false;
}

std::shared_ptr<CudnnPlans> make_cudnn_plans() {
  throw Error("attention by cuDNN: this build has none; it takes -D ATTUNE_CUDA=nvidia -D ATTUNE_CUDNN=ON and cuDNN 9");
}

void cudnn_attention_forward(const kernels::CudaContext&, CudnnPlans&, const kernels::AttentionForward&) {
  make_cudnn_plans();
}
void cudnn_attention_backward(const kernels::CudaContext&, CudnnPlans&, const kernels::AttentionBackward&) {
  make_cudnn_plans();
}

}  // namespace attune::cuda
