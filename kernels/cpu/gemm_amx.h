// The register tile of bfloat16 products by AMX (Intel, from Sapphire Rapids on).
#pragma once

#include "base/bfloat16.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels::amx {

#ifdef ATTUNE_X86_LEVELS
/// Of a tile: rows, elements of C in a row of one vector, elements of k in a step.
inline constexpr int kRows = 32, kLanes = 16, kStepDepth = 32;

/// A thread calls them before and after its tiles.
void begin();
void end();

/// One or two vectors wide. The rows of A lie along k; A and B have zeros from `depth` to the end of its last step.
template <int vectors>
ATTUNE_AVX512 void tile(const Tile<float, BFloat16>& t);
#endif

}  // namespace attune::kernels::amx
