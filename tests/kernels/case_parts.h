// What the functions that make cases share: labels, integer inputs, dropout masks.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "kernels/dropout.h"
#include "tests/kernels/op_case.h"

namespace attune::testing {

/// The label of a case: "3x17_options".
inline std::string sizes(std::initializer_list<std::int64_t> dimensions, const std::string& options = "") {
  std::string out;
  for (std::int64_t dimension : dimensions) out += (out.empty() ? "" : "x") + std::to_string(dimension);
  return out + (options.empty() ? "" : "_" + options);
}

/// n values spread over [0, limit), the same in every run.
inline std::vector<std::int32_t> spread(std::int64_t n, std::int64_t limit) {
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<std::int32_t>((i * i * 7 + i * 3 + 5) % limit));
  return out;
}

/// Keys of rows: sequences of 100 rows each.
inline std::vector<std::int32_t> row_keys(std::int64_t rows) {
  std::vector<std::int32_t> out;
  for (std::int64_t n = 0; n < rows; ++n)
    out.push_back(static_cast<std::int32_t>(
        kernels::row_key(static_cast<std::uint32_t>(n / 100), static_cast<std::uint32_t>(n % 100))));
  return out;
}

/// The step of the dropout masks of these cases.
inline constexpr std::int32_t kMaskStep = 7;
inline kernels::DropoutMask mask_of(const Call& c, float p) {
  return mask_of(c, p, 0x123456789abcdefull, kMaskStep, 21);
}

}  // namespace attune::testing
