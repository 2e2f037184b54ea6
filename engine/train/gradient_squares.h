// The norm of a step's gradients, most of which is measured while backward goes on.
//
// The norm reads every gradient once more. After backward the device's cache has few of them, and all of a large model come
// from memory. So the squares of a gradient are added soon after it is final (engine/train/gradient_order.h), while it is
// in the cache, next to the main work (engine/tensor/side_work.h), many gradients in a launch. Each piece has its place
// among the sums that the norm adds at the end: its bits are those of ops::grad_norm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/ops/args.h"
#include "engine/tensor/side_work.h"
#include "engine/train/gradient_order.h"

namespace attune {

class GradientSquares {
 public:
  /// Of the parameters of an optimizer, in its order, on a CUDA device. `launch`: bytes of the gradients of a launch.
  explicit GradientSquares(std::vector<NamedParameter> parameters, std::size_t launch = kCachedBytes);

  /// Before a backward pass. If it `ends` an optimizer step, its gradients are measured; not in the first pass, which
  /// finds out the order.
  void begin(bool ends);
  /// After each step of it.
  void look();
  /// After the pass.
  void end();

  /// Whether the gradients of the latest pass are measured. Not if other parameters have one than in the first pass, or if
  /// one was written to another number of times.
  bool measured() const { return measures_; }
  /// Measures the rest, and sets norm, float64 [1].
  void finish(const InPlace& norm);
  /// Launches of the latest pass before finish().
  std::size_t launches() const { return launches_; }

 private:
  void launch();

  std::size_t launch_bytes_;
  GradientOrder order_;
  std::vector<std::int64_t> first_;   // the place of each gradient's first piece
  Tensor sums_;                       // float64 [pieces]; undefined before the end of the first pass
  bool measures_ = false;             // this pass
  std::size_t next_ = 0;              // gradients before it were seen to be final
  std::vector<std::size_t> waiting_;  // final gradients of the next launch
  std::size_t waiting_bytes_ = 0;
  std::vector<std::size_t> rest_;  // those that the end measures
  std::size_t launches_ = 0;
};

}  // namespace attune
