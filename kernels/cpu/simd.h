// Vector code for the CPU kernels without a build for one machine.
//
// vectorized<f>(arguments...) calls f compiled for the best instruction set of the machine: f is compiled for each level.
// f, and everything that it calls per element, must be ATTUNE_INLINE: a call would leave the level's code for baseline
// code. Lambdas for parallel_for are separate functions, so they call vectorized functions and contain no inner loops.
//
// If an output may be an input, `#pragma omp simd` states that elements do not depend on one another; the compiler's
// check for overlap would otherwise make such a loop serial.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define ATTUNE_X86_LEVELS  // the compiler can build functions for single levels of the instruction set
#define ATTUNE_AVX2 __attribute__((target("arch=x86-64-v3")))
#define ATTUNE_AVX512 __attribute__((target("arch=x86-64-v4")))
#endif

#define ATTUNE_INLINE inline __attribute__((always_inline))

namespace attune::kernels {

/// Instruction sets that the kernels are compiled for: what every machine has, AVX2 with FMA (x86-64-v3), AVX-512
/// (x86-64-v4). Elsewhere than on x86-64 there is only the baseline.
enum class CpuLevel { kBaseline, kAvx2, kAvx512 };

/// The highest level of this machine, or the lower one that ATTUNE_CPU_LEVEL names (baseline, avx2, avx512; amx is
/// avx512 here) when the program starts to compute. Throws Error for another name.
CpuLevel cpu_level();

/// How products of bfloat16 numbers are computed: as those of float32; by the instruction of AVX512-BF16, which takes
/// numbers under 2^-126 for zero, and else computes the same sums; by AMX, which also adds them in another order
/// (kernels/cpu/gemm_amx.cpp).
enum class BFloat16Products { kPortable, kInstruction, kAmx };

/// The best that code for this level may use here. ATTUNE_CPU_LEVEL=avx512 excludes AMX.
BFloat16Products bfloat16_products(CpuLevel level);

#ifdef ATTUNE_X86_LEVELS
template <auto function, class... Args>
ATTUNE_AVX2 auto run_avx2(Args... args) {
  return function(args...);
}
template <auto function, class... Args>
ATTUNE_AVX512 auto run_avx512(Args... args) {
  return function(args...);
}
#endif

template <auto function, class... Args>
auto vectorized(Args... args) {
#ifdef ATTUNE_X86_LEVELS
  switch (cpu_level()) {
    case CpuLevel::kAvx512:
      return run_avx512<function>(args...);
    case CpuLevel::kAvx2:
      return run_avx2<function>(args...);
    case CpuLevel::kBaseline:
      break;
  }
#endif
  return function(args...);
}

/// Elements per piece of a parallel elementwise loop: large enough to hide the hand-out, small enough to share out.
constexpr std::int64_t kElementGrain = 16384;

/// Rows per piece of a loop over rows of `channels` elements: about kElementGrain elements.
constexpr std::int64_t row_grain(std::int64_t channels) {
  return channels >= kElementGrain ? 1 : kElementGrain / (channels > 0 ? channels : 1);
}

}  // namespace attune::kernels
