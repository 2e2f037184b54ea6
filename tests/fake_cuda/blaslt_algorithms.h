// The algorithms of the fake cuBLASLt. They differ in what they need and in the order of their sums, so that a choice
// shows in bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace attune::fake_cuda {

enum Algorithm : int {
  kVectors,          // the library's best proposal, where operands are aligned to 16 bytes
  kElements,         // any alignment; the same sums
  kSplit,            // halves of a sum apart, joined in float32: needs 4 bytes of workspace for each output
  kSplitInPlace,     // the same, joined in the output
  kSplitOutputType,  // the same, joined in the output's type
  kLargeWorkspace,   // needs 64 MiB of workspace
  kRefused,          // proposed, and not supported when it is called
  kAlgorithms
};

}  // namespace attune::fake_cuda
