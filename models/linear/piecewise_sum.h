// A sum over [0, n), the same bits for any number of threads: pieces of fixed size, each summed in four interleaved
// parts (which hides the latency of an addition), then the pieces in order.
#pragma once

#include <cstdint>
#include <vector>

#include "base/parallel.h"

namespace attune {

/// Elements per piece of a loop over a vector.
inline constexpr std::int64_t kVectorGrain = 1 << 13;

/// term(0) + ... + term(n - 1); `term` is called by several threads.
template <class Term>
double piecewise_sum(std::int64_t n, Term&& term) {
  std::vector<double> parts(static_cast<std::size_t>((n + kVectorGrain - 1) / kVectorGrain));
  parallel_for(n, kVectorGrain, [&](std::int64_t begin, std::int64_t end) {
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    std::int64_t i = begin;
    for (; i + 4 <= end; i += 4) {
      s0 += term(i);
      s1 += term(i + 1);
      s2 += term(i + 2);
      s3 += term(i + 3);
    }
    for (; i < end; ++i) s0 += term(i);
    parts[static_cast<std::size_t>(begin / kVectorGrain)] = (s0 + s1) + (s2 + s3);
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace attune
