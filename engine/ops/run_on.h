// The one device switch of the engine: calls f with the context of the device a tensor lives on.
//
//   run_on(x.device(), [&](const auto& context) { layernorm_forward(context, args); });
#pragma once

#include "base/check.h"
#include "engine/tensor/device.h"
#include "kernels/context.h"

namespace attune {

template <class F>
decltype(auto) run_on(Device device, F&& f) {
  CHECK(device == Device::kCpu, "this build of attune has no CUDA: use --device cpu, or build with the cuda preset");
  return f(CpuContext{});
}

}  // namespace attune
