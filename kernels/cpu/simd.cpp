#include "kernels/cpu/simd.h"

#include <sys/syscall.h>
#include <unistd.h>

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

std::string_view name_asked_for() {
  const char* const variable = std::getenv("ATTUNE_CPU_LEVEL");
  return variable == nullptr ? "amx" : variable;
}

CpuLevel level_asked_for() {
  const std::string_view name = name_asked_for();
  if (name == "amx" || name == "avx512") return CpuLevel::kAvx512;
  if (name == "avx2") return CpuLevel::kAvx2;
  CHECK(name == "baseline", "ATTUNE_CPU_LEVEL must be baseline, avx2, avx512 or amx, not \"", name, "\"");
  return CpuLevel::kBaseline;
}

#ifdef ATTUNE_X86_LEVELS
// Whether the processor has AMX for bfloat16, and the system lets this process use it.
bool amx_allowed() {
  // Linux gives the registers to a process that asks for them (arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA).
  constexpr int kRequest = 0x1023, kTileData = 18;
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
         syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

}  // namespace

CpuLevel cpu_level() {
  static const CpuLevel level = std::min(level_of_machine(), level_asked_for());
  return level;
}

BFloat16Products bfloat16_products([[maybe_unused]] CpuLevel level) {
#ifdef ATTUNE_X86_LEVELS
  static const bool amx = name_asked_for() == "amx" && amx_allowed();
  if (level == CpuLevel::kAvx512 && amx) return BFloat16Products::kAmx;
  if (level == CpuLevel::kAvx512 && __builtin_cpu_supports("avx512bf16")) return BFloat16Products::kInstruction;
#endif
  return BFloat16Products::kPortable;
}

bool fast_bfloat16_products() {
  const BFloat16Products products = bfloat16_products(cpu_level());
#ifdef ATTUNE_X86_LEVELS
  // An Intel Xeon took longer for the instruction than for float32 (bench/results/cpu-intel-xeon.md), a Zen 4 half as long.
  if (products == BFloat16Products::kInstruction) return __builtin_cpu_is("amd");
#endif
  return products == BFloat16Products::kAmx;
}

}  // namespace attune::kernels
