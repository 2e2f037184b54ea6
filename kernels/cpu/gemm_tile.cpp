// A tile of C lives in vector registers while k runs: per k a few vectors of B, and one element of A for each row,
// spread over all lanes. Its size fills the registers of the instruction set: 8 x 3 of 32, or 6 x 2 of 16, the rest for
// B and A. With 8 rows, not 12 x 2, the rows of A and of C fit into one set of the L1 cache: all of them are in the
// same one where rows lie a multiple of 4 KiB apart.
#include "kernels/cpu/gemm_tile.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/cpu/gemm_amx.h"
#include "kernels/cpu/simd.h"

namespace attune::kernels {
namespace {

template <class T, int bytes>
struct Vector {
  typedef T type __attribute__((vector_size(bytes)));
};

template <class V, class T>
ATTUNE_INLINE void load(V& to, const T* from) {
  std::memcpy(&to, from, sizeof(V));
}

// One step of k, in three ways: what is loaded of A and of B for it, and their product added to a vector of sums.
// Vectors are passed by reference: by value is another ABI without the instruction set.

// One element of k.
template <class T, int bytes>
struct Single {
  using Sum = typename Vector<T, bytes>::type;
  using Left = T;
  using Right = Sum;
  static ATTUNE_INLINE void load_left(Left& left, const T* a) { left = *a; }
  static ATTUNE_INLINE void load_right(Right& right, const T* b) { load(right, b); }
  static ATTUNE_INLINE void add(Sum& sum, const Left& left, const Right& right) { sum += left * right; }
};

// A pair of bfloat16 elements, whose products are exact in float32: the second is added first, as the instruction does.
template <int bytes>
struct Pair {
  using Sum = typename Vector<float, bytes>::type;
  using Bits = typename Vector<std::uint32_t, bytes>::type;
  struct Left {
    float first, second;
  };
  struct Right {
    Sum first, second;
  };
  static ATTUNE_INLINE void load_left(Left& left, const BFloat16* a) { left = {to_float(a[0]), to_float(a[1])}; }
  static ATTUNE_INLINE void load_right(Right& right, const BFloat16* b) {
    Bits bits;
    load(bits, b);
    right.first = reinterpret_cast<Sum>(bits << 16);
    right.second = reinterpret_cast<Sum>(bits & 0xFFFF0000u);
  }
  static ATTUNE_INLINE void add(Sum& sum, const Left& left, const Right& right) {
    sum += left.second * right.second;
    sum += left.first * right.first;
  }
};

#ifdef ATTUNE_X86_LEVELS
// The same by one instruction. As assembly: the compiler inlines its intrinsics only into code for AVX512-BF16, and
// puts a broadcast vector together lane by lane.
struct PairInstruction {
  using Sum = Vector<float, 64>::type;
  using Left = Vector<std::uint32_t, 64>::type;
  using Right = Left;
  static ATTUNE_INLINE void load_left(Left& left, const BFloat16* a) {
    asm("vpbroadcastd %1, %0" : "=v"(left) : "m"(*reinterpret_cast<const char(*)[4]>(a)));
  }
  static ATTUNE_INLINE void load_right(Right& right, const BFloat16* b) { load(right, b); }
  static ATTUNE_INLINE void add(Sum& sum, const Left& left, const Right& right) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
  }
};
#endif

// B is fetched ahead of its use.
constexpr std::int64_t kAhead = 16;  // steps of k

template <class Way, int rows, int vectors, bool along_rows, class T, class P>
ATTUNE_INLINE void run_tile(const Tile<T, P>& t) {
  using V = typename Way::Sum;
  constexpr std::int64_t kLanes = sizeof(V) / sizeof(T);
  const P *a = t.a, *b = t.b;
  const std::int64_t lda = t.lda, depth = t.depth;
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) __builtin_prefetch(t.c + r * t.ldc + v * kLanes, 1);
  V sum[rows][vectors] = {};
#pragma GCC unroll 4
  for (std::int64_t d = 0; d < depth; d += kTogether<P>, b += vectors * kLanes * kTogether<P>) {
    constexpr std::int64_t kRow = vectors * kLanes * kTogether<P>;
    for (std::int64_t at = 0; at < kRow; at += kLineBytes / static_cast<std::int64_t>(sizeof(P)))
      __builtin_prefetch(b + kAhead * kRow + at);
    typename Way::Right right[vectors];
    for (int v = 0; v < vectors; ++v) Way::load_right(right[v], b + v * kLanes * kTogether<P>);
#pragma GCC unroll 8  // all loops over `sum` are unrolled, or it would live in memory
    for (int r = 0; r < rows; ++r) {
      typename Way::Left left;
      Way::load_left(left, along_rows ? a + r * lda + d : a + d * lda + r * kTogether<P>);
      for (int v = 0; v < vectors; ++v) Way::add(sum[r][v], left, right[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) {
      V result = t.alpha * sum[r][v];
      if (t.base != nullptr) {
        V before;
        load(before, t.base + r * t.ldbase + v * kLanes);
        result += before;
      }
      std::memcpy(t.c + r * t.ldc + v * kLanes, &result, sizeof(V));
    }
}

// In each group of 2 * half lanes, the upper half of `first` changes places with the lower half of `second`.
template <int half, class V, int... lanes>
ATTUNE_INLINE void exchange_halves(V& first, V& second, std::integer_sequence<int, lanes...>) {
  constexpr int kLanes = sizeof...(lanes);
  const V low = __builtin_shufflevector(first, second, ((lanes & half) != 0 ? kLanes + lanes - half : lanes)...);
  second = __builtin_shufflevector(first, second, ((lanes & half) != 0 ? kLanes + lanes : lanes + half)...);
  first = low;
}

// Transposes a matrix of one vector per row: the upper right and the lower left quarter change places, then each quarter
// is transposed likewise. `half` is the size of the quarters.
template <int half, class V, std::size_t lanes>
ATTUNE_INLINE void transpose_registers(V (&rows)[lanes]) {
#pragma GCC unroll 16
  for (std::size_t i = 0; i < lanes; ++i)
    if ((i & half) == 0)
      exchange_halves<half>(rows[i], rows[i + half], std::make_integer_sequence<int, static_cast<int>(lanes)>{});
  if constexpr (half > 1) transpose_registers<half / 2>(rows);
}

// out[d * width + i] = x[i * stride + d] for a square matrix whose rows are vectors of `bytes` bytes.
template <int bytes, class T>
ATTUNE_INLINE void transpose_square(T* out, std::int64_t width, const T* x, std::int64_t stride) {
  using V = typename Vector<T, bytes>::type;
  constexpr int kLanes = bytes / static_cast<int>(sizeof(T));
  V rows[kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) load(rows[i], x + i * stride);
  transpose_registers<kLanes / 2>(rows);
#pragma GCC unroll 16
  for (int d = 0; d < kLanes; ++d) std::memcpy(out + d * width, &rows[d], sizeof(V));
}

template <int bytes, int width, class T>
ATTUNE_INLINE void run_pack(T* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,
                            std::int64_t depth) {
  constexpr int kLanes = bytes / static_cast<int>(sizeof(T));
  const bool full = count == width;
  std::int64_t d = 0;
  if (full && stride_i == 1) {
    for (; d < depth; ++d) std::memcpy(out + d * width, x + d * stride_d, width * sizeof(T));
  } else if constexpr (width % kLanes == 0) {
    if (full && stride_d == 1)
      for (; d + kLanes <= depth; d += kLanes)
        for (std::int64_t i = 0; i < width; i += kLanes)
          transpose_square<bytes>(out + d * width + i, width, x + i * stride_i + d, stride_i);
  }
  for (; d < depth; ++d)
    for (std::int64_t i = 0; i < width; ++i) out[d * width + i] = i < count ? x[i * stride_i + d * stride_d] : T(0);
}

ATTUNE_INLINE std::uint32_t pair_of(float first, float second) {
  return to_bfloat16(first).bits | static_cast<std::uint32_t>(to_bfloat16(second).bits) << 16;
}

// Pairs of k next to each other.
template <int bytes, int width>
ATTUNE_INLINE void run_pack(BFloat16* out, const float* x, std::int64_t stride_i, std::int64_t stride_d,
                            std::int64_t count, std::int64_t depth) {
  constexpr std::int64_t kTransposed = 16;  // elements of k in a cache line
  std::int64_t d = 0;
  if (count == width && stride_d == 1 && width % 4 == 0)
    for (; d + kTransposed <= depth; d += kTransposed) {
      alignas(64) BFloat16 rows[width * kTransposed];  // read in pairs
      for (std::int64_t i = 0; i < width; ++i)
        for (std::int64_t e = 0; e < kTransposed; ++e) rows[i * kTransposed + e] = to_bfloat16(x[i * stride_i + d + e]);
      for (std::int64_t pair = 0; pair < kTransposed / 2; pair += 4)
        for (std::int64_t i = 0; i < width; i += 4)
          transpose_square<16>(reinterpret_cast<std::uint32_t*>(out + d * width) + pair * width + i, width,
                               reinterpret_cast<const std::uint32_t*>(rows + i * kTransposed) + pair, kTransposed / 2);
    }
  else if (count == width && stride_i == 1)
    for (; d + 2 <= depth; d += 2) {
      std::uint32_t pairs[width];
      for (std::int64_t i = 0; i < width; ++i) pairs[i] = pair_of(x[d * stride_d + i], x[(d + 1) * stride_d + i]);
      std::memcpy(out + d * width, pairs, sizeof(pairs));
    }
  for (; d < depth; d += 2) {
    const float *first = x + d * stride_d, *second = first + stride_d;
    std::uint32_t pairs[width] = {};
    for (std::int64_t i = 0; i < count; ++i)
      pairs[i] = pair_of(first[i * stride_i], d + 1 < depth ? second[i * stride_i] : 0);
    std::memcpy(out + d * width, pairs, sizeof(pairs));
  }
}

// The same function bodies compiled for one instruction set. Entries for more vectors than it has repeat the last.
// NOLINTBEGIN(bugprone-macro-parentheses): names and attributes
#define ATTUNE_TILE(NAME, TARGET, STEP, BYTES, ROWS, VECTORS)                                                       \
  template <class T, class P, int vectors, bool along_rows>                                                         \
  TARGET void NAME(const Tile<T, P>& t) {                                                                           \
    run_tile<STEP<T, P, BYTES>, ROWS, std::min(vectors, VECTORS), along_rows>(t);                                   \
  }                                                                                                                 \
  template <class T, class P, int width>                                                                            \
  TARGET void NAME##_pack(P* out, const T* x, std::int64_t stride_i, std::int64_t stride_d, std::int64_t count,     \
                          std::int64_t depth) {                                                                     \
    run_pack<BYTES, width>(out, x, stride_i, stride_d, count, depth);                                               \
  }                                                                                                                 \
  template <class T>                                                                                                \
  constexpr int NAME##_lanes = BYTES / static_cast<int>(sizeof(T));                                                 \
  template <class T, class P>                                                                                       \
  constexpr Kernel<T, P> NAME##_kernel{ROWS,                                                                        \
                                       VECTORS,                                                                     \
                                       NAME##_lanes<T>,                                                             \
                                       kTogether<P>,                                                                \
                                       {NAME<T, P, 1, true>, NAME<T, P, 2, true>, NAME<T, P, 3, true>},             \
                                       {NAME<T, P, 1, false>, NAME<T, P, 2, false>, NAME<T, P, 3, false>},          \
                                       NAME##_pack<T, P, ROWS>,                                                     \
                                       {NAME##_pack<T, P, NAME##_lanes<T>>, NAME##_pack<T, P, 2 * NAME##_lanes<T>>, \
                                        NAME##_pack<T, P, 3 * NAME##_lanes<T>>}};
// NOLINTEND(bugprone-macro-parentheses)

template <class T, class P, int bytes>
using Step = std::conditional_t<std::is_same_v<T, P>, Single<T, bytes>, Pair<bytes>>;

ATTUNE_TILE(baseline, , Step, 16, 6, 2)
#ifdef ATTUNE_X86_LEVELS
ATTUNE_TILE(avx2, ATTUNE_AVX2, Step, 32, 6, 2)
ATTUNE_TILE(avx512, ATTUNE_AVX512, Step, 64, 8, 3)
template <class, class, int>
using InstructionStep = PairInstruction;
ATTUNE_TILE(avx512_bf16, ATTUNE_AVX512, InstructionStep, 64, 8, 3)

// As Kernel::Transpose.
ATTUNE_INLINE void run_transpose(BFloat16* out, std::int64_t stride, const float* x, std::int64_t stride_d,
                                 std::int64_t count, std::int64_t depth) {
  constexpr std::int64_t kColumns = 16, kPairs = 4;  // in one piece: pairs of k, moved as one element
  std::int64_t d = 0;
  for (; d + 2 * kPairs <= depth; d += 2 * kPairs) {
    std::int64_t i = 0;
    for (; i + kColumns <= count; i += kColumns) {
      std::uint32_t pairs[kPairs][kColumns];
      for (std::int64_t pair = 0; pair < kPairs; ++pair) {
        const float *first = x + (d + 2 * pair) * stride_d + i, *second = first + stride_d;
        for (std::int64_t c = 0; c < kColumns; ++c) pairs[pair][c] = pair_of(first[c], second[c]);
      }
      for (std::int64_t c = 0; c < kColumns; c += 4) {
        std::uint32_t transposed[4][kPairs];
        transpose_square<16>(transposed[0], kPairs, pairs[0] + c, kColumns);
        for (std::int64_t r = 0; r < 4; ++r)
          std::memcpy(out + (i + c + r) * stride + d, transposed[r], sizeof(transposed[r]));
      }
    }
    for (; i < count; ++i)
      for (std::int64_t e = d; e < d + 2 * kPairs; ++e) out[i * stride + e] = to_bfloat16(x[e * stride_d + i]);
  }
  for (; d < depth; ++d)
    for (std::int64_t i = 0; i < count; ++i) out[i * stride + d] = to_bfloat16(x[d * stride_d + i]);
}

ATTUNE_AVX512 void amx_transpose(BFloat16* out, std::int64_t stride, const float* x, std::int64_t stride_d,
                                 std::int64_t count, std::int64_t depth) {
  run_transpose(out, stride, x, stride_d, count, depth);
}
constexpr Kernel<float, BFloat16> amx_kernel{
    .rows = amx::kRows,
    .vectors = 2,
    .lanes = amx::kLanes,
    .step = amx::kStepDepth,
    .rows_of_a = {amx::tile<1>, amx::tile<2>, nullptr},
    .columns_of_a = {nullptr, nullptr, nullptr},
    .pack_rows = nullptr,
    .pack_columns = {avx512_bf16_pack<float, BFloat16, amx::kLanes>, avx512_bf16_pack<float, BFloat16, 2 * amx::kLanes>,
                     nullptr},
    .transpose_rows = amx_transpose,
    .begin = amx::begin,
    .end = amx::end};
#endif

}  // namespace

template <class T, class P>
const Kernel<T, P>& kernel_of([[maybe_unused]] CpuLevel level, [[maybe_unused]] BFloat16Products products) {
#ifdef ATTUNE_X86_LEVELS
  if constexpr (std::is_same_v<P, BFloat16>) {
    if (products == BFloat16Products::kAmx) return amx_kernel;
    if (products == BFloat16Products::kInstruction) return avx512_bf16_kernel<T, P>;
  }
  if (level == CpuLevel::kAvx512) return avx512_kernel<T, P>;
  if (level == CpuLevel::kAvx2) return avx2_kernel<T, P>;
#endif
  return baseline_kernel<T, P>;
}

template const Kernel<float, float>& kernel_of(CpuLevel, BFloat16Products);
template const Kernel<float, BFloat16>& kernel_of(CpuLevel, BFloat16Products);
template const Kernel<double, double>& kernel_of(CpuLevel, BFloat16Products);

}  // namespace attune::kernels
