// The affine map: y[n, o] = sum_i x[n, i] weight[o, i] + bias[o].
#pragma once

#include "tests/kernels/oracles/matmul.h"
#include "tests/kernels/oracles/numbers.h"

namespace attune::testing::oracle {

/// x [N, I], weight [O, I], bias [O]; returns y [N, O].
inline Numbers linear(const Numbers& x, const Numbers& weight, const Numbers& bias, std::int64_t inputs) {
  const auto outputs = static_cast<std::int64_t>(bias.size()), rows = static_cast<std::int64_t>(x.size()) / inputs;
  Numbers y;
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t o = 0; o < outputs; ++o) {
      const long double product =
          matmul<double>({x.data(), inputs, false}, {weight.data(), inputs, true}, inputs, n, o);
      y.push_back(static_cast<double>(product) + bias[static_cast<std::size_t>(o)]);
    }
  return y;
}

}  // namespace attune::testing::oracle
