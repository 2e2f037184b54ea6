// The gradient of a table of which each batch uses few rows, added over the processes of a run: only the rows that some
// process has. The result has the bits of a sum of whole tables, to which the others would add zeros.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/comm/communicator.h"
#include "engine/nn/module.h"

namespace attune {

class RowSums {
 public:
  /// Of a parameter with late rows (engine/autograd/variable.h).
  RowSums(Communicator& processes, NamedParameter table) : processes_(processes), table_(std::move(table)) {}

  /// After backward: waits for all sums before this one, to learn the rows of the other processes. Collective.
  void start();
  /// Replaces the gradient by the sum.
  void finish();

 private:
  Communicator& processes_;
  NamedParameter table_;
  std::vector<std::int32_t> rows_;              // of all processes, in order
  std::shared_ptr<std::vector<float>> values_;  // of these rows
  Communicator::Ticket sum_ = 0;
};

}  // namespace attune
