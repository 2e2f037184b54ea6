// The one device switch of the engine: calls f with the context of the device a tensor lives on.
//
//   run_on(x.device(), [&](const auto& context) { layernorm_forward(context, args); });
//
// run_aside does the same for what only the end of a backward pass needs, such as the gradient of a weight, and
// sum_aside for sums over rows.
#pragma once

#include <utility>
#include <vector>

#include "engine/tensor/context.h"
#include "engine/tensor/side_work.h"

namespace attune {

template <class F>
decltype(auto) run_on(Device device, F&& f) {
  if (device == Device::kCuda) {
    if constexpr (kernels::kHasCudaOps)
      return std::forward<F>(f)(std::as_const(cuda_context()));
    else
      cuda_context();  // throws
  }
  return std::forward<F>(f)(cpu_context());
}

/// `read` are the tensors that f reads (SideWork::run).
template <class F>
void run_aside(Device device, std::vector<Tensor> read, F&& f) {
  if constexpr (kernels::kHasCudaOps)
    if (SideWork* side = SideWork::current(); side != nullptr && device == Device::kCuda)
      return side->run(std::move(read), f);
  run_on(device, f);
}

/// Whether sum_aside may be called for tensors of this device.
inline bool sums_aside(Device device) {
  return device == Device::kCuda && SideWork::current() != nullptr;
}
/// The sum over the rows of `x` (SideWork::sum_columns).
inline void sum_aside(const cuda::ColumnSum& sum, const Tensor& x) {
  SideWork::current()->sum_columns(sum, x);
}

}  // namespace attune
