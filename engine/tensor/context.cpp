#include "engine/tensor/context.h"

namespace attune {

CudaContext& cuda_context() {
  // Never destroyed: tensors in static storage may outlive any order of destruction.
  static CudaContext* context = new CudaContext;
  return *context;
}

}  // namespace attune
