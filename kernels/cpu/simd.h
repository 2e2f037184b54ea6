// Vector code for the CPU kernels without a build for one machine.
//
// ATTUNE_CLONES before a function compiles it three times (AVX-512, AVX2 with FMA, baseline) and picks one when the
// program starts. Everything such a function calls per element must be ATTUNE_INLINE: a call would leave the clone for
// baseline code. Lambdas for parallel_for are separate functions, so they call cloned functions and contain no inner
// loops.
//
// If an output may be an input, `#pragma omp simd` states that elements do not depend on one another; the compiler's
// check for overlap would otherwise make such a loop serial.
//
// The sanitizers' runtime is not ready when the choice is made, so sanitized builds have only the baseline.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(ATTUNE_SANITIZED)
#define ATTUNE_X86_LEVELS  // the compiler can build functions for single levels of the instruction set
#define ATTUNE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ATTUNE_CLONES
#endif

#define ATTUNE_INLINE inline __attribute__((always_inline))

namespace attune::kernels {

/// Elements per piece of a parallel elementwise loop: large enough to hide the hand-out, small enough to share out.
constexpr std::int64_t kElementGrain = 16384;

/// Rows per piece of a loop over rows of `channels` elements: about kElementGrain elements.
constexpr std::int64_t row_grain(std::int64_t channels) {
  return channels >= kElementGrain ? 1 : kElementGrain / (channels > 0 ? channels : 1);
}

}  // namespace attune::kernels
