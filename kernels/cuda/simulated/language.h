// The CUDA C++ that kernels use, as plain C++20: keywords, built-in variables, barriers, warp collectives, atomics.
//
// CUDA's names have the meaning of the CUDA programming guide. There is no __shared__: kernels take shared memory from
// kernels/cuda/simulated/shared_memory.h, which records all writes. A collective records the line of its call.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <type_traits>

#include "kernels/cuda/simulated/block.h"
#include "kernels/cuda/simulated/memory.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 {
  unsigned x, y, z;
};

inline constinit thread_local uint3 threadIdx{};
inline constinit thread_local uint3 blockIdx{};
inline constinit thread_local uint3 blockDim{};
inline constinit thread_local uint3 gridDim{};

namespace attune::simulated {

template <class T>
struct ShufflePayload {
  T value;
  int source;  // lane to read from
  T result;
};

template <class T>
T shuffle(const char* name, unsigned mask, T value, int source, const SourceLocation& where) {
  BlockRunner& block = runner();
  if ((mask >> source & 1u) == 0)
    block.fail(Fault::kBadMask, str_cat(name, " reads from lane ", source, ", which its mask does not name"));
  ShufflePayload<T> payload{value, source, value};
  block.collective(
      name, mask, &payload,
      [](void* const* payloads, unsigned lanes) {
        for (int i = 0; i < kWarpSize; ++i) {
          if ((lanes >> i & 1u) == 0) continue;
          auto& lane = *static_cast<ShufflePayload<T>*>(payloads[i]);
          lane.result = static_cast<ShufflePayload<T>*>(payloads[lane.source])->value;
        }
      },
      where);
  return payload.result;
}

/// All lanes of the mask get reduce(values of all lanes in lane order).
template <class In, class Out, class Reduce>
Out reduce_lanes(const char* name, unsigned mask, In value, Reduce, const SourceLocation& where) {
  struct Payload {
    In value;
    Out result;
  } payload{value, {}};
  runner().collective(
      name, mask, &payload,
      [](void* const* payloads, unsigned lanes) {
        Out total{};
        bool first = true;
        for (int i = 0; i < kWarpSize; ++i)
          if ((lanes >> i & 1u) != 0)
            total = Reduce{}(first, total, static_cast<Payload*>(payloads[i])->value, i), first = false;
        for (int i = 0; i < kWarpSize; ++i)
          if ((lanes >> i & 1u) != 0) static_cast<Payload*>(payloads[i])->result = total;
      },
      where);
  return payload.result;
}

}  // namespace attune::simulated

using AttuneWhere = attune::simulated::SourceLocation;

inline void __syncthreads(const AttuneWhere& where = AttuneWhere::current()) {
  attune::simulated::runner().barrier(where);
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, const AttuneWhere& where = AttuneWhere::current()) {
  attune::simulated::runner().collective(
      "__syncwarp", mask, nullptr, [](void* const*, unsigned) {}, where, true);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, const AttuneWhere& where = AttuneWhere::current()) {
  const int lane = attune::simulated::runner().self().lane();
  return attune::simulated::shuffle("__shfl_sync", mask, value, (lane & ~(width - 1)) | (source & (width - 1)), where);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  const AttuneWhere& where = AttuneWhere::current()) {
  const int lane = attune::simulated::runner().self().lane();
  const int source = lane ^ lane_mask;
  return attune::simulated::shuffle("__shfl_xor_sync", mask, value,
                                    (source & ~(width - 1)) <= (lane & ~(width - 1)) ? source : lane, where);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const AttuneWhere& where = AttuneWhere::current()) {
  const int lane = attune::simulated::runner().self().lane();
  const int source = lane + static_cast<int>(delta);
  return attune::simulated::shuffle("__shfl_down_sync", mask, value,
                                    (source & ~(width - 1)) == (lane & ~(width - 1)) ? source : lane, where);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const AttuneWhere& where = AttuneWhere::current()) {
  const int lane = attune::simulated::runner().self().lane();
  const int source = lane - static_cast<int>(delta);
  return attune::simulated::shuffle("__shfl_up_sync", mask, value, source >= (lane & ~(width - 1)) ? source : lane,
                                    where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, const AttuneWhere& where = AttuneWhere::current()) {
  return attune::simulated::reduce_lanes<int, unsigned>(
      "__ballot_sync", mask, predicate,
      [](bool, unsigned total, int value, int lane) { return total | (value != 0 ? 1u << lane : 0u); }, where);
}
inline int __any_sync(unsigned mask, int predicate, const AttuneWhere& where = AttuneWhere::current()) {
  return attune::simulated::reduce_lanes<int, int>(
      "__any_sync", mask, predicate,
      [](bool, int total, int value, int) { return static_cast<int>(total != 0 || value != 0); }, where);
}
inline int __all_sync(unsigned mask, int predicate, const AttuneWhere& where = AttuneWhere::current()) {
  return attune::simulated::reduce_lanes<int, int>(
      "__all_sync", mask, predicate,
      [](bool first, int total, int value, int) { return static_cast<int>((first || total != 0) && value != 0); },
      where);
}
template <class T>
T __reduce_add_sync(unsigned mask, T value, const AttuneWhere& where = AttuneWhere::current()) {
  return attune::simulated::reduce_lanes<T, T>(
      "__reduce_add_sync", mask, value, [](bool, T total, T x, int) { return static_cast<T>(total + x); }, where);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, const AttuneWhere& where = AttuneWhere::current()) {
  return attune::simulated::reduce_lanes<T, T>(
      "__reduce_max_sync", mask, value, [](bool first, T total, T x, int) { return first || x > total ? x : total; },
      where);
}

namespace attune::simulated {

/// The atomic itself must be done as long as the result lives.
inline std::unique_lock<std::mutex> on_atomic(const void* address, std::size_t bytes) {
  BlockRunner& block = runner();
  if (block.shared().contains(address)) {
    block.shared().on_atomic(address, bytes, block);
    return {};
  }
  std::unique_lock lock = block.order().on_atomic(address);
  on_global_access(address, bytes, Access::kAtomic);
  return lock;
}

}  // namespace attune::simulated

template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  const auto lock = attune::simulated::on_atomic(address, sizeof(T));
  return std::atomic_ref<T>(*address).fetch_add(value);
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  const auto lock = attune::simulated::on_atomic(address, sizeof(T));
  std::atomic_ref<T> ref(*address);
  T old = ref.load();
  while (old < value && !ref.compare_exchange_weak(old, value)) {
  }
  return old;
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  const auto lock = attune::simulated::on_atomic(address, sizeof(T));
  std::atomic_ref<T>(*address).compare_exchange_strong(compare, value);
  return compare;
}
/// Byte i of the result is byte (selector >> 4 i & 7) of y:x.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(y) << 32 | x;
  unsigned out = 0;
  for (unsigned i = 0; i < 4; ++i) out |= static_cast<unsigned>(bytes >> (selector >> 4 * i & 7u) * 8 & 0xFFu) << 8 * i;
  return out;
}
inline int __popc(unsigned bits) {
  return std::popcount(bits);
}
inline void __threadfence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  attune::simulated::runner().order().fence();
}
