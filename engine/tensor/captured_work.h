// Work of the CUDA device that is recorded once and replayed as a whole (a CUDA graph). The graph contains launches and
// copies with their addresses: a replay reads and writes the same tensors.
#pragma once

#include <functional>
#include <memory>

namespace attune {

class CapturedWork {
 public:
  /// Records what `work` puts on the device instead of running it. Memory that is allocated meanwhile belongs to
  /// recorded work permanently. Rethrows what `work` throws.
  explicit CapturedWork(const std::function<void()>& work);
  ~CapturedWork();
  CapturedWork(const CapturedWork&) = delete;
  CapturedWork& operator=(const CapturedWork&) = delete;

  /// Starts the recorded work.
  void replay() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune
