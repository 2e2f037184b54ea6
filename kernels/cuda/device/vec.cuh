// Typed access to global memory, one vector of up to 16 bytes at a time, and conversion to float, the type of the
// computation.
#pragma once

#include <cstdint>

#include "kernels/cuda/platform.cuh"

namespace attune::device {

template <class T, int N>
struct alignas(sizeof(T) * N) Vec {
  T v[N];
};

__device__ __forceinline__ float to_f(float x) {
  return x;
}
__device__ __forceinline__ float to_f(BFloat16 x) {
  return bf16_to_float(x);
}

template <class T>
__device__ __forceinline__ T from_f(float x) {
  if constexpr (sizeof(T) == sizeof(float))
    return x;
  else
    return float_to_bf16(x);
}

/// Elements of T that one access moves, for N elements.
template <class T, int N>
inline constexpr int kAccess = N < 16 / static_cast<int>(sizeof(T)) ? N : 16 / static_cast<int>(sizeof(T));

/// x[i] = p[i] for i < N, up to 16 bytes at a time; p is aligned to them.
template <int N, class T>
__device__ __forceinline__ void load(float (&x)[N], const T* p) {
  constexpr int kStep = kAccess<T, N>;
  for (int i = 0; i < N; i += kStep) {
    const Vec<T, kStep> v = load_global(reinterpret_cast<const Vec<T, kStep>*>(p + i));
    for (int j = 0; j < kStep; ++j) x[i + j] = to_f(v.v[j]);
  }
}

/// p[i] = x[i] rounded to T.
template <int N, class T>
__device__ __forceinline__ void store(T* p, const float (&x)[N]) {
  constexpr int kStep = kAccess<T, N>;
  for (int i = 0; i < N; i += kStep) {
    Vec<T, kStep> v;
    for (int j = 0; j < kStep; ++j) v.v[j] = from_f<T>(x[i + j]);
    store_global(reinterpret_cast<Vec<T, kStep>*>(p + i), v);
  }
}

/// p[i] = x[i], or p[i] += x[i]; x then holds the sums.
template <int N, class T>
__device__ __forceinline__ void store_gradient(T* p, float (&x)[N], bool accumulate) {
  if (accumulate) {
    float old[N];
    load(old, p);
    for (int i = 0; i < N; ++i) x[i] += old[i];
  }
  store(p, x);
}

/// x[i] = p[i] and p[i] = x[i] in shared memory, up to 16 bytes at a time; p is aligned to them.
template <int N, class T>
__device__ __forceinline__ void load_shared_floats(float (&x)[N], const T* p) {
  constexpr int kStep = kAccess<T, N>;
  for (int i = 0; i < N; i += kStep) {
    const auto v = load_shared(reinterpret_cast<const Vec<T, kStep>*>(p + i));
    for (int j = 0; j < kStep; ++j) x[i + j] = to_f(v.v[j]);
  }
}
template <int N>
__device__ __forceinline__ void store_shared_floats(float* p, const float (&x)[N]) {
  constexpr int kStep = N < 4 ? N : 4;
  for (int i = 0; i < N; i += kStep) {
    Vec<float, kStep> v;
    for (int j = 0; j < kStep; ++j) v.v[j] = x[i + j];
    store_shared(reinterpret_cast<Vec<float, kStep>*>(p + i), v);
  }
}

/// Starts copying N elements from global to shared memory; they are there for this thread after cp_async_wait.
template <int N, class T>
__device__ __forceinline__ void stage(T* shared, const T* global) {
  if constexpr (N * sizeof(T) >= 4)
    cp_async<static_cast<int>(N * sizeof(T))>(shared, global);
  else
    for (int i = 0; i < N; ++i) store_shared(shared + i, load_global(global + i));
}

/// This thread's place in a one-dimensional grid.
__device__ __forceinline__ std::int64_t global_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

}  // namespace attune::device
