// The matrix product: c[i, j] = sum_d a[i, d] b[d, j], in long double.
#pragma once

#include <cstdint>

namespace attune::testing::oracle {

/// A matrix in row-major order, rows `stride` elements apart. `transposed`: element (i, j) is stored at (j, i).
template <class T>
struct Matrix {
  const T* data;
  std::int64_t stride;
  bool transposed;

  long double at(std::int64_t i, std::int64_t j) const {
    return static_cast<long double>(transposed ? data[j * stride + i] : data[i * stride + j]);
  }
};

/// Element (i, j) of a b, where a has k columns and b has k rows.
template <class T>
long double matmul(const Matrix<T>& a, const Matrix<T>& b, std::int64_t k, std::int64_t i, std::int64_t j) {
  long double sum = 0;
  for (std::int64_t d = 0; d < k; ++d) sum += a.at(i, d) * b.at(d, j);
  return sum;
}

}  // namespace attune::testing::oracle
