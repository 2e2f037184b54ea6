// The matrix product under linear and attention:  C = alpha op(A) op(B) + beta C,  row-major, op = identity or transpose.
//
// With beta = 0 what C holds is not read. A bias row [n] is added to every row of C. parallel_gemm cuts C into tiles that depend on the sizes alone, so the result is
// bitwise the same for any number of threads. Each tile runs on OpenBLAS, held to one thread, where the build has it, and on
// gemm_blocked otherwise.
#pragma once

#include <cstdint>

namespace attune {

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
  T beta = 0;
  const T* bias = nullptr;  // [n] or null; only with beta = 0
};

/// On the calling thread.
template <class T>
void gemm(const Gemm<T>& g);

/// On all threads, in tiles of C.
template <class T>
void parallel_gemm(const Gemm<T>& g);

/// Our own loops: panels of A and B packed to fit the caches, a register tile inside. On the calling thread.
template <class T>
void gemm_blocked(const Gemm<T>& g);

}  // namespace attune
