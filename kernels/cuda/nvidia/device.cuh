// The instructions of the helpers in device/, for an NVIDIA GPU. simulated/device.h has the same functions and checks
// their use.
//
// PTX of sm_80: mma.sync, ldmatrix, cp.async (PTX manual, the sections of these names).
#pragma once

#include <cuda_bf16.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "base/bfloat16.h"

namespace attune::device {

/// The machine word a value of this size travels in, so that it moves in one access.
template <std::size_t Bytes>
struct Word;
template <>
struct Word<1> {
  using type = unsigned char;
};
template <>
struct Word<2> {
  using type = unsigned short;
};
template <>
struct Word<4> {
  using type = unsigned int;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<16> {
  using type = uint4;
};

template <class V>
__device__ __forceinline__ V move_word(const V* p) {
  using W = typename Word<sizeof(V)>::type;
  union Both {
    W word;
    V value;
    __device__ Both() {}
  } both;
  both.word = *reinterpret_cast<const W*>(p);
  return both.value;
}

/// p, the address of an access, as one in global memory. The compiler cannot know this of a pointer that was itself read
/// from memory, and makes a generic access.
template <class V>
__device__ __forceinline__ V* in_global(V* p) {
  __builtin_assume(__isGlobal(p));
  return p;
}

template <class V>
__device__ __forceinline__ V load_global(const V* p) {
  return move_word(p);
}
template <class V>
__device__ __forceinline__ void store_global(V* p, const V& v) {
  using W = typename Word<sizeof(V)>::type;
  union Both {
    W word;
    V value;
    __device__ Both() {}
  } both;
  both.value = v;
  *reinterpret_cast<W*>(p) = both.word;
}
template <class V>
__device__ __forceinline__ V load_shared(const V* p) {
  return move_word(p);
}
template <class V>
__device__ __forceinline__ void store_shared(V* p, const V& v) {
  store_global(p, v);
}

/// The block's only variable of type T, shared by its threads and uninitialised.
template <class T>
__device__ __forceinline__ T& shared_variable() {
  __shared__ alignas(alignof(T) < 16 ? 16 : alignof(T)) unsigned char bytes[sizeof(T)];
  return *reinterpret_cast<T*>(bytes);
}

/// The shared memory requested at launch, aligned to 16 bytes.
__device__ __forceinline__ unsigned char* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char attune_dynamic_shared[];
  return attune_dynamic_shared;
}

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

/// Starts copying Bytes (4, 8 or 16) from global to shared memory, or zeros if not `valid`.
template <int Bytes>
__device__ __forceinline__ void cp_async(void* to, const void* from, bool valid = true) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
  const int bytes = valid ? Bytes : 0;
  if constexpr (Bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(Bytes),
                 "r"(bytes)
                 : "memory");
}
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until all but the newest `Pending` committed groups of this thread have arrived.
template <int Pending>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

/// d += a b on m16n8k16 fragments.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// d0 += a b0, d1 += a b1: one collective of the simulator, two instructions of a GPU.
__device__ __forceinline__ void mma_bf16_pair(float (&d0)[4], float (&d1)[4], const std::uint32_t (&a)[4],
                                              const std::uint32_t (&b0)[2], const std::uint32_t (&b1)[2]) {
  mma_bf16(d0, a, b0);
  mma_bf16(d1, a, b1);
}
/// d += a b on m16n8k8 fragments.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// d += (a_high + a_rest) (b_high + b_rest) without rest * rest: three instructions, the largest product last, and one
/// collective of the simulator.
__device__ __forceinline__ void mma_tf32_split(float (&d)[4], const std::uint32_t (&a_high)[4],
                                               const std::uint32_t (&a_rest)[4], const std::uint32_t (&b_high)[2],
                                               const std::uint32_t (&b_rest)[2]) {
  mma_tf32(d, a_rest, b_high);
  mma_tf32(d, a_high, b_rest);
  mma_tf32(d, a_high, b_high);
}

__device__ __forceinline__ std::uint32_t float_bits(float x) {
  return __float_as_uint(x);
}
__device__ __forceinline__ float bits_float(std::uint32_t x) {
  return __uint_as_float(x);
}
__device__ __forceinline__ float bf16_to_float(BFloat16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
__device__ __forceinline__ BFloat16 float_to_bf16(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
/// Two bfloat16 in a register, `low` in the lower half.
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return static_cast<std::uint32_t>(__bfloat16_as_ushort(pair.x)) |
         static_cast<std::uint32_t>(__bfloat16_as_ushort(pair.y)) << 16;
}
/// The nearest tf32, ties away from zero.
__device__ __forceinline__ std::uint32_t float_to_tf32(float x) {
  std::uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}
/// 2^x, to about two units in the last place.
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/// 1 / x, to one unit in the last place.
__device__ __forceinline__ float fast_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace attune::device
