// Which element each lane of a warp holds, as NVIDIA states it: layouts of CuTe, a part of CUTLASS.
//
// The kernels and the simulator were written from the PTX manual, and both could have the same mistake. CuTe has other
// authors. Sources: cute/atom/mma_traits_sm80.hpp and cute/atom/copy_traits_sm75.hpp.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace attune::testing {

/// An element of a matrix.
struct Element {
  int row, column;
  bool operator==(const Element&) const = default;
};

/// [lane][value] of one operand. Two 16-bit values are in one register, the first in its lower half.
using FragmentLayout = std::array<std::vector<Element>, 32>;

/// One mma of C [M, N] += A [M, K] B [K, N].
struct MmaLayout {
  std::string instruction;
  int depth;  // K
  FragmentLayout a, b, c;
};

/// One ldmatrix of 16-bit values. Element (l, j) is value j of the eight at the address that lane l gives.
struct LoadLayout {
  std::string instruction;
  FragmentLayout destination;
};

struct CuteLayouts {
  MmaLayout bf16, tf32;
  LoadLayout load, load_transposed;
};

/// Empty strings and lanes in a build without CUTLASS's headers or the CUDA toolkit's.
CuteLayouts cute_layouts();

}  // namespace attune::testing
