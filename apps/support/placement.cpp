#include "apps/support/placement.h"

#include <iostream>

#include "apps/support/command_line.h"
#include "base/check.h"
#include "engine/tensor/context.h"

namespace attune {

void PlacementFlags::declare(CommandLine& app, const std::string& group) {
  const auto add = [&](const char* name, std::string& value, const char* text) {
    auto* option = app.add_option(name, value, text)->capture_default_str();
    if (!group.empty()) option->group(group);
  };
  add("--device", device_name, "cpu, or cuda: an NVIDIA GPU");
  add("--precision", precision,
      "fp32; bf16: on the cpu products of bfloat16 numbers in all linear layers, on cuda with float32 master weights; "
      "tf32, only on cuda: float32 products in TF32");
  add("--attention", attention,
      "own, or cudnn: NVIDIA's, to compare (only bf16 on cuda, without dropout, in builds with ATTUNE_CUDNN)");
}

void PlacementFlags::prepare() const {
  if (device_name != "cpu" && device_name != "cuda")
    throw UsageError("--device '" + device_name + "' is unknown; the devices are cpu and cuda");
  if (precision != "fp32" && precision != "tf32" && precision != "bf16")
    throw UsageError("--precision '" + precision + "' is unknown; the precisions are fp32, tf32 and bf16");
  if (device() == Device::kCpu && precision == "tf32")
    throw UsageError("--precision tf32 needs --device cuda; the cpu has fp32 and bf16");
  if (attention != "own" && attention != "cudnn")
    throw UsageError("--attention '" + attention + "' is unknown; there are own and cudnn");
  if (attention == "cudnn" && (device() == Device::kCpu || precision != "bf16"))
    throw UsageError("--attention cudnn needs --device cuda --precision bf16");
  if (device() == Device::kCpu) {
    set_bfloat16_products(precision == "bf16");
    if (precision == "bf16" && !fast_bfloat16_products())
      std::cerr
          << "warning: neither AMX nor the AVX512-BF16 of AMD is available (processor, compiler or ATTUNE_CPU_LEVEL): "
             "--precision bf16 is slower than fp32"
          << std::endl;
    return;
  }
  set_tensor_float32(precision == "tf32");
  set_cudnn_attention(attention == "cudnn");
}

void PlacementFlags::place_model(const Module& model) const {
  const bool bfloat16 = device() == Device::kCuda && precision == "bf16";
  place(model, device(), bfloat16 ? DType::kBFloat16 : DType::kFloat32);
}

std::vector<std::string> PlacementFlags::memory_savers() const {
  if (device() == Device::kCpu || precision == "bf16") return {};
  return {"--precision bf16"};
}

}  // namespace attune
