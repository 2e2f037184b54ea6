// The simulated version of nvidia/device.cuh: the instructions that the helpers of device/ use, each with its rules
// checked.
#pragma once

#include <cstring>

#include "base/bfloat16.h"
#include "kernels/cuda/simulated/language.h"
#include "kernels/cuda/simulated/tensor_core.h"

namespace attune::device {

template <class V>
V* in_global(V* p) {
  return p;  // each access is checked
}

template <class V>
V load_global(const V* p) {
  const auto* const address = static_cast<const void*>(p);  // V may be a pointer itself
  simulated::on_global_access(address, sizeof(V), simulated::Access::kLoad);
  V v;
  std::memcpy(static_cast<void*>(&v), address, sizeof(V));
  return v;
}

template <class V>
void store_global(V* p, const V& v) {
  simulated::on_global_access(p, sizeof(V), simulated::Access::kStore);
  std::memcpy(p, &v, sizeof(V));
}

template <class V>
V load_shared(const V* p) {
  simulated::BlockRunner& block = simulated::runner();
  block.shared().on_read(p, sizeof(V), block);
  V v;
  std::memcpy(&v, p, sizeof(V));
  return v;
}

template <class V>
void store_shared(V* p, const V& v) {
  simulated::BlockRunner& block = simulated::runner();
  block.shared().on_write(p, sizeof(V), block);
  std::memcpy(p, &v, sizeof(V));
}

/// The block's only variable of type T, shared by its threads and uninitialised.
template <class T>
T& shared_variable() {
  static const char key = 0;
  simulated::BlockRunner& block = simulated::runner();
  return *reinterpret_cast<T*>(block.shared().variable(&key, sizeof(T), block));
}

/// The shared memory requested at launch, aligned to 16 bytes.
inline unsigned char* dynamic_shared() {
  return reinterpret_cast<unsigned char*>(simulated::runner().shared().dynamic());
}

/// Starts copying Bytes (4, 8 or 16) from global to shared memory, or zeros if not `valid`.
template <int Bytes>
void cp_async(void* to, const void* from, bool valid = true) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
  simulated::BlockRunner& block = simulated::runner();
  simulated::AsyncCopy copy{static_cast<std::byte*>(to), {}, Bytes, block.self().open_group};
  if (valid) {
    simulated::on_global_access(from, Bytes, simulated::Access::kAsyncCopy);
    std::memcpy(copy.bytes.data(), from, Bytes);
  }
  block.shared().on_async_issue(copy.to, Bytes, block);
  block.self().copies.push_back(copy);
}

inline void cp_async_commit() {
  ++simulated::runner().self().open_group;
}

/// Waits until all but the newest `Pending` committed groups of this thread have arrived.
template <int Pending>
void cp_async_wait() {
  simulated::BlockRunner& block = simulated::runner();
  auto& copies = block.self().copies;
  const int newest = block.self().open_group - Pending;
  std::erase_if(copies, [&](const simulated::AsyncCopy& copy) {
    if (copy.group >= newest) return false;
    block.shared().on_async_arrive(copy, block);
    return true;
  });
}

inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, const AttuneWhere& where = AttuneWhere::current()) {
  simulated::ldmatrix(r, 4, false, row, where);
}
inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row,
                              const AttuneWhere& where = AttuneWhere::current()) {
  simulated::ldmatrix(r, 4, true, row, where);
}

/// d += a b on m16n8k16 fragments.
inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     const AttuneWhere& where = AttuneWhere::current()) {
  simulated::mma_bf16({{{d, a, b}}}, where);
}
/// d0 += a b0, d1 += a b1: one collective of the simulator, two instructions of a GPU.
inline void mma_bf16_pair(float (&d0)[4], float (&d1)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b0)[2],
                          const std::uint32_t (&b1)[2], const AttuneWhere& where = AttuneWhere::current()) {
  simulated::mma_bf16({{{d0, a, b0}, {d1, a, b1}}}, where);
}
/// d += a b on m16n8k8 fragments.
inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     const AttuneWhere& where = AttuneWhere::current()) {
  simulated::mma_tf32({{{d, a, b}}}, where);
}
/// d += (a_high + a_rest) (b_high + b_rest) without rest * rest: three instructions, the largest product last, and one
/// collective of the simulator.
inline void mma_tf32_split(float (&d)[4], const std::uint32_t (&a_high)[4], const std::uint32_t (&a_rest)[4],
                           const std::uint32_t (&b_high)[2], const std::uint32_t (&b_rest)[2],
                           const AttuneWhere& where = AttuneWhere::current()) {
  simulated::mma_tf32({{{d, a_rest, b_high}, {d, a_high, b_rest}, {d, a_high, b_high}}}, where);
}

inline float bf16_to_float(BFloat16 x) {
  return to_float(x);
}
inline BFloat16 float_to_bf16(float x) {
  return to_bfloat16(x);
}
inline std::uint32_t float_bits(float x) {
  return std::bit_cast<std::uint32_t>(x);
}
inline float bits_float(std::uint32_t x) {
  return std::bit_cast<float>(x);
}
/// Two bfloat16 in a register, `low` in the lower half.
inline std::uint32_t pack_bf16(float low, float high) {
  return to_bfloat16(low).bits | static_cast<std::uint32_t>(to_bfloat16(high).bits) << 16;
}
/// The nearest tf32, ties away from zero.
inline std::uint32_t float_to_tf32(float x) {
  return std::isnan(x) ? 0x7FFFFFFFu : (float_bits(x) + 0x1000u) & 0xFFFFE000u;
}
/// 2^x, to about two units in the last place on a GPU.
inline float fast_exp2(float x) {
  return std::exp2(x);
}
/// 1 / x, to one unit in the last place on a GPU.
inline float fast_reciprocal(float x) {
  return 1.0f / x;
}

}  // namespace attune::device
