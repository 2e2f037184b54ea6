// The oracles of this folder state each op by its formula: plain, slow loops in double, one header per op. They call no
// kernel. A tensor is its elements in row-major order. The gradients of most ops are tested by numerical differences
// (gradient_test.cpp), so only some oracles state a backward.
#pragma once

#include <vector>

namespace attune::testing::oracle {

using Numbers = std::vector<double>;

}  // namespace attune::testing::oracle
