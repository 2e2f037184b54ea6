// A tile of C lives in vector registers while k runs: per k a few vectors of B, and one element of A for each row, spread
// over all lanes. Its size fills the registers of the instruction set: 8 x 3 of 32, or 6 x 2 of 16, the rest for B and A.
// With 8 rows, not 12 x 2, the rows of A and of C fit into one set of the L1 cache: all of them are in the same one where
// rows lie a multiple of 4 KiB apart.
#include "kernels/cpu/gemm_tile.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T, int bytes>
struct Vector {
  typedef T type __attribute__((vector_size(bytes)));
};

template <class T, int bytes, int rows, int vectors, bool along_rows>
ATTUNE_INLINE void run_tile(const Tile<T>& t) {
  using V = typename Vector<T, bytes>::type;
  constexpr std::int64_t kLanes = bytes / static_cast<std::int64_t>(sizeof(T));
  const T *a = t.a, *b = t.b;
  const std::int64_t lda = t.lda, depth = t.depth;
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) __builtin_prefetch(t.c + r * t.ldc + v * kLanes, 1);
  V sum[rows][vectors] = {};
  for (std::int64_t d = 0; d < depth; ++d, b += vectors * kLanes) {
    V right[vectors];
    for (int v = 0; v < vectors; ++v) std::memcpy(&right[v], b + v * kLanes, sizeof(V));
#pragma GCC unroll 8  // all loops over `sum` are unrolled, or it would live in memory
    for (int r = 0; r < rows; ++r) {
      const T left = along_rows ? a[r * lda + d] : a[d * lda + r];
      for (int v = 0; v < vectors; ++v) sum[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) {
      V result = t.alpha * sum[r][v];
      if (t.base != nullptr) {
        V before;
        std::memcpy(&before, t.base + r * t.ldbase + v * kLanes, sizeof(V));
        result += before;
      }
      std::memcpy(t.c + r * t.ldc + v * kLanes, &result, sizeof(V));
    }
}

// out[d][i] = x[i][d] for a 4 x 4 block: rows of 4 are loaded and stored whole, turned in registers.
template <class T, int width>
ATTUNE_INLINE void turn_4x4(T* out, const T* x, std::int64_t stride) {
  using V = typename Vector<T, 4 * sizeof(T)>::type;
  V r[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&r[i], x + i * stride, sizeof(V));
  const V a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const V c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  const V turned[4] = {__builtin_shufflevector(a, c, 0, 1, 4, 5), __builtin_shufflevector(a, c, 2, 3, 6, 7),
                       __builtin_shufflevector(b, d, 0, 1, 4, 5), __builtin_shufflevector(b, d, 2, 3, 6, 7)};
  for (int k = 0; k < 4; ++k) std::memcpy(out + k * width, &turned[k], sizeof(V));
}

template <class T, int width>
ATTUNE_INLINE void run_pack(T* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,
                            std::int64_t depth) {
  const bool full = count == width;
  std::int64_t d = 0;
  if (full && stride_i == 1)
    for (; d < depth; ++d) std::memcpy(out + d * width, x + d * stride_d, width * sizeof(T));
  else if (full && stride_d == 1 && width % 4 == 0)
    for (; d + 4 <= depth; d += 4)
      for (std::int64_t i = 0; i < width; i += 4)
        turn_4x4<T, width>(out + d * width + i, x + i * stride_i + d, stride_i);
  for (; d < depth; ++d)
    for (std::int64_t i = 0; i < width; ++i) out[d * width + i] = i < count ? x[i * stride_i + d * stride_d] : T(0);
}

// The same function bodies compiled for one instruction set. Entries for more vectors than it has repeat the last.
#define ATTUNE_TILE(NAME, TARGET, BYTES, ROWS, VECTORS)                                                         \
  template <class T, int vectors, bool along_rows>                                                              \
  TARGET void NAME(const Tile<T>& t) {                                                                          \
    run_tile<T, BYTES, ROWS, std::min(vectors, VECTORS), along_rows>(t);                                        \
  }                                                                                                             \
  template <class T, int width>                                                                                 \
  TARGET void NAME##_pack(T* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count, \
                          std::int64_t depth) {                                                                 \
    run_pack<T, width>(out, x, stride_i, stride_d, count, depth);                                               \
  }                                                                                                             \
  template <class T>                                                                                            \
  constexpr int NAME##_lanes = BYTES / static_cast<int>(sizeof(T));                                             \
  template <class T>                                                                                            \
  constexpr Kernel<T> NAME##_kernel{                                                                            \
      ROWS,                                                                                                     \
      VECTORS,                                                                                                  \
      NAME##_lanes<T>,                                                                                          \
      {NAME<T, 1, true>, NAME<T, 2, true>, NAME<T, 3, true>},                                                   \
      {NAME<T, 1, false>, NAME<T, 2, false>, NAME<T, 3, false>},                                                \
      NAME##_pack<T, ROWS>,                                                                                     \
      {NAME##_pack<T, NAME##_lanes<T>>, NAME##_pack<T, 2 * NAME##_lanes<T>>, NAME##_pack<T, 3 * NAME##_lanes<T>>}};

ATTUNE_TILE(baseline, , 16, 6, 2)
#ifdef ATTUNE_X86_LEVELS
ATTUNE_TILE(avx2, ATTUNE_AVX2, 32, 6, 2)
ATTUNE_TILE(avx512, ATTUNE_AVX512, 64, 8, 3)
#endif

}  // namespace

template <class T>
const Kernel<T>& kernel_of([[maybe_unused]] CpuLevel level) {
#ifdef ATTUNE_X86_LEVELS
  if (level == CpuLevel::kAvx512) return avx512_kernel<T>;
  if (level == CpuLevel::kAvx2) return avx2_kernel<T>;
#endif
  return baseline_kernel<T>;
}

template const Kernel<float>& kernel_of(CpuLevel);
template const Kernel<double>& kernel_of(CpuLevel);

}  // namespace attune::kernels
