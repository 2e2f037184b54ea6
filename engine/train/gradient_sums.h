// The gradients of the processes of a run, added.
//
// Gradients lie in buckets, in the order in which they become final (engine/train/gradient_order.h). The sum of a bucket
// is started as soon as its last gradient is final: it goes on while backward computes the others. The first pass finds
// the order out, and adds at its end.
//
// Of a table whose rows are late, only the rows that the batch uses are added, at the end (engine/train/row_sums.h).
//
// Sums are float32, in the order of the ranks (engine/comm/communicator.h). A gradient on a device is copied to the host
// and back, at the end of backward.
//
// If the optimizer's state is divided over the processes, each needs the sums of its shares alone: a bucket then lies in
// one part for each rank, and half as much is exchanged.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/comm/shares.h"
#include "engine/nn/module.h"
#include "engine/train/gradient_order.h"
#include "engine/train/row_sums.h"

namespace attune {

class GradientSums {
 public:
  /// `shares`, which must outlive it: of these parameters; null: every process needs whole sums.
  GradientSums(Communicator& processes, std::vector<NamedParameter> parameters, const Shares* shares = nullptr);

  /// Before the backward pass after which gradients are added.
  void begin();
  /// After each step of this pass.
  void look();
  /// After the pass: replaces the gradient of every parameter, or the own share of it, by the sum over all processes.
  /// Throws Error if other parameters have a gradient than at the first pass.
  void finish();
  /// The sum of `share` times one number of each process, on the device and in the type of `mine`.
  Tensor sum(const Tensor& mine, double share);

 private:
  struct Bucket {
    std::vector<std::size_t> slots = {};  // of order_
    std::size_t offset = 0, part = 0;     // in values_: [parts, part]
    Communicator::Ticket sum = 0;
    std::size_t size(int parts) const { return part * static_cast<std::size_t>(parts); }
  };
  /// The parts of a bucket: one for each rank, or one for all.
  int parts() const { return shares_ == nullptr ? 1 : processes_.world(); }
  Shares::Part part_of(std::size_t slot, int part) const;
  /// Calls visit(slot, part, values) for every part of each gradient of a bucket.
  template <class Visit>
  void for_parts(const Bucket& bucket, const Visit& visit);
  void arrange();
  void start(Bucket& bucket);

  Communicator& processes_;
  const Shares* shares_;
  GradientOrder order_;
  std::vector<Bucket> buckets_;  // empty before the end of the first pass
  std::vector<RowSums> tables_;  // of those with late rows
  std::size_t started_ = 0;      // buckets of this pass
  std::shared_ptr<std::vector<float>> values_ = std::make_shared<std::vector<float>>();  // sums that go on keep them
};

}  // namespace attune
