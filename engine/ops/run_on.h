// The one device switch of the engine: calls f with the context of the device a tensor lives on.
//
//   run_on(x.device(), [&](const auto& context) { layernorm_forward(context, args); });
#pragma once

#include <utility>

#include "engine/tensor/context.h"

namespace attune {

template <class F>
decltype(auto) run_on(Device device, F&& f) {
  if (device == Device::kCuda) return std::forward<F>(f)(std::as_const(cuda_context()));
  return std::forward<F>(f)(kernels::CpuContext{});
}

}  // namespace attune
