#include "kernels/cpu/simd.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/check.h"
#include "kernels/context.h"

namespace attune::kernels {
namespace {

CpuLevel level_of_machine() {
#ifdef ATTUNE_X86_LEVELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return CpuLevel::kAvx512;
  if (__builtin_cpu_supports("x86-64-v3")) return CpuLevel::kAvx2;
#endif
  return CpuLevel::kBaseline;
}

CpuLevel level_asked_for() {
  const char* variable = std::getenv("ATTUNE_CPU_LEVEL");
  const std::string_view name = variable == nullptr ? "avx512" : variable;
  if (name == "avx512") return CpuLevel::kAvx512;
  if (name == "avx2") return CpuLevel::kAvx2;
  CHECK(name == "baseline", "ATTUNE_CPU_LEVEL must be baseline, avx2 or avx512, not \"", name, "\"");
  return CpuLevel::kBaseline;
}

}  // namespace

CpuLevel cpu_level() {
  static const CpuLevel level = std::min(level_of_machine(), level_asked_for());
  return level;
}

bool has_bfloat16_products([[maybe_unused]] CpuLevel level) {
#ifdef ATTUNE_X86_LEVELS
  return level == CpuLevel::kAvx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool fast_bfloat16_products() {
  return has_bfloat16_products(cpu_level());
}

}  // namespace attune::kernels
