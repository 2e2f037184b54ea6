// The gradients of the processes of a run, added.
//
// A parameter's gradient is final when backward has run the first op that reads the parameter. Backward goes through a
// model from its end, so gradients become final one after the other, in the same order at every step. They lie in
// buckets in that order, and the sum of a bucket is started as soon as its last gradient is final: it goes on while
// backward computes the others. The first backward pass finds the order out, and adds at its end.
//
// Of a table whose rows are late, only the rows that the batch uses are added, at the end (engine/train/row_sums.h).
//
// Sums are float32, in the order of the ranks (engine/comm/communicator.h). A gradient on a device is copied to the host
// and back, at the end of backward.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/nn/module.h"
#include "engine/train/row_sums.h"

namespace attune {

class GradientSums {
 public:
  GradientSums(Communicator& processes, std::vector<NamedParameter> parameters);

  /// Before the backward pass after which gradients are added.
  void begin();
  /// After each step of this pass.
  void look();
  /// After the pass: replaces the gradient of every parameter by the sum over all processes. Throws Error if other
  /// parameters have a gradient than at the first pass.
  void finish();
  /// The sum of `share` times one number of each process, on the device and in the type of `mine`.
  Tensor sum(const Tensor& mine, double share);

 private:
  struct Slot {
    NamedParameter named;
    std::int64_t before = 0;           // Grad::writes() at begin()
    std::int64_t writes = 0;           // of a pass
    std::int64_t final_at = 0;         // the step of the first pass that wrote last
    std::size_t offset = 0, size = 0;  // in values_
    std::int64_t written() const { return named.parameter.grad().writes() - before; }
  };
  struct Bucket {
    std::size_t first, last;  // slots [first, last)
    std::size_t offset, size;
    Communicator::Ticket sum = 0;
  };
  std::span<float> values_of(const Slot& slot);
  void arrange();
  void start(Bucket& bucket);

  Communicator& processes_;
  std::vector<Slot> slots_;   // after the first pass: those with a gradient, in the order in which it is final
  std::vector<Slot> unused_;  // those without one
  std::vector<Bucket> buckets_;
  std::vector<RowSums> tables_;                                                          // of those with late rows
  bool arranged_ = false;                                                                // the first pass is done
  std::size_t started_ = 0;                                                              // buckets of this pass
  std::int64_t step_ = 0;                                                                // of this pass
  std::shared_ptr<std::vector<float>> values_ = std::make_shared<std::vector<float>>();  // sums that go on keep them
};

}  // namespace attune
