// The functions of an NVIDIA GPU's arena for graphs.
#pragma once

namespace attune::cuda {

/// As long as one lives, the arena keeps the segments that captured work allocated: a replay still writes there.
class CapturedSegments {
 public:
  CapturedSegments();
  ~CapturedSegments();
  CapturedSegments(const CapturedSegments&) = delete;
  CapturedSegments& operator=(const CapturedSegments&) = delete;
};

}  // namespace attune::cuda
