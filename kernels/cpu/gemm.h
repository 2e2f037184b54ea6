// The matrix product under linear and attention:  C = alpha op(A) op(B),  row-major, op = identity or transpose,
// written to C, added to it, or added to a bias row.
//
// Every element of C is summed over k in ascending order (of bfloat16 operands in pairs, the second of a pair first; by AMX as in gemm_amx.cpp),
// in blocks that depend on k alone: neither m, n nor the number of threads changes a bit, and a row of C is the same in
// a large product as in a small one.
#pragma once

#include <cstdint>

namespace attune::kernels {

template <class T>
struct Gemm {
  T* c;
  std::int64_t ldc;
  const T* a;  // op(A) is [m, k]; stored [k, m] if transposed
  std::int64_t lda;
  bool transpose_a = false;
  const T* b;  // op(B) is [k, n]; stored [n, k] if transposed
  std::int64_t ldb;
  bool transpose_b = false;
  std::int64_t m, n, k;
  T alpha = 1;
  bool accumulate = false;  // add to C; otherwise what C holds is not read
  const T* bias = nullptr;  // [n], added to every row of C, or null; not with accumulate
};

/// On the calling thread.
template <class T>
void gemm(const Gemm<T>& g);

/// On all threads.
template <class T>
void parallel_gemm(const Gemm<T>& g);

/// On all threads, with op(A) and op(B) rounded to bfloat16: products are exact, sums are float32.
void bfloat16_gemm(const Gemm<float>& g);

}  // namespace attune::kernels
