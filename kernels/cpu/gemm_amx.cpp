// The tile of the matrix product by AMX: bfloat16 operands, float32 sums.
//
// AMX has eight registers of 16 rows of 64 bytes. Four of them are sums, 32 x 32 elements of C; two hold 32 rows of A
// with 32 elements of k, two 32 columns of B with 16 pairs of k, as packed strips have them. A product of two registers
// adds up the first elements of all pairs, and the second ones, in ascending order of k; it adds the two sums to each other, and the result to C.
// Numbers under 2^-126 count as zero. (Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS.)
//
// The instructions are written as assembly: the compiler's intrinsics need an option for the whole file.
#include "kernels/cpu/gemm_amx.h"

#ifdef ATTUNE_X86_LEVELS
namespace attune::kernels::amx {
namespace {

// What ldtilecfg loads.
struct alignas(64) Configuration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Registers 0 and 2 have the sums of the first 16 columns, 1 and 3 those of the others; 4 and 5 A, 6 and 7 B.
template <int vectors>
ATTUNE_INLINE void multiply(const Tile<float, BFloat16>& t, float* sums) {
  constexpr std::int64_t kWidth = vectors * kLanes;
  constexpr long kStripRow = kWidth * 4, kSumRow = kWidth * 4;  // bytes
  const long a_row = t.lda * static_cast<long>(sizeof(BFloat16));
  asm volatile("tilezero %%tmm0\n\ttilezero %%tmm2" : :);
  if constexpr (vectors == 2) asm volatile("tilezero %%tmm1\n\ttilezero %%tmm3" : :);
  const BFloat16* b = t.b;
  for (std::int64_t d = 0; d < t.depth; d += kStepDepth, b += kWidth * kStepDepth) {
    asm volatile(
        "tileloadd (%0, %2, 1), %%tmm4\n\t"
        "tileloadd (%3, %4, 1), %%tmm6\n\t"
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
        "tileloadd (%1, %2, 1), %%tmm5\n\t"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2"
        :
        : "r"(t.a + d), "r"(t.a + 16 * t.lda + d), "r"(a_row), "r"(b), "r"(kStripRow)
        : "memory");
    if constexpr (vectors == 2)
      asm volatile(
          "tileloadd (%0, %1, 1), %%tmm7\n\t"
          "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
          "tdpbf16ps %%tmm7, %%tmm5, %%tmm3"
          :
          : "r"(b + 2 * kLanes), "r"(kStripRow)
          : "memory");
  }
  asm volatile("tilestored %%tmm0, (%0, %2, 1)\n\ttilestored %%tmm2, (%1, %2, 1)"
               :
               : "r"(sums), "r"(sums + 16 * kWidth), "r"(kSumRow)
               : "memory");
  if constexpr (vectors == 2)
    asm volatile("tilestored %%tmm1, (%0, %2, 1)\n\ttilestored %%tmm3, (%1, %2, 1)"
                 :
                 : "r"(sums + kLanes), "r"(sums + 16 * kWidth + kLanes), "r"(kSumRow)
                 : "memory");
}

}  // namespace

void begin() {
  static constexpr Configuration kConfiguration;
  asm volatile("ldtilecfg %0" : : "m"(kConfiguration));
}

void end() {
  asm volatile("tilerelease");
}

template <int vectors>
ATTUNE_AVX512 void tile(const Tile<float, BFloat16>& t) {
  constexpr std::int64_t kWidth = vectors * kLanes;
  alignas(64) float sums[kRows * kWidth];
  multiply<vectors>(t, sums);
  const float alpha = t.alpha;
  for (std::int64_t r = 0; r < kRows; ++r) {
    const float *sum = sums + r * kWidth, *base = t.base + r * t.ldbase;
    float* c = t.c + r * t.ldc;
#pragma omp simd
    for (std::int64_t j = 0; j < kWidth; ++j) c[j] = alpha * sum[j] + (t.base != nullptr ? base[j] : 0.0f);
  }
}
template void tile<1>(const Tile<float, BFloat16>&);
template void tile<2>(const Tile<float, BFloat16>&);

}  // namespace attune::kernels::amx
#endif
