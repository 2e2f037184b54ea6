// The processes that share one training run, and what they exchange.
//
// Training is data parallel: every process has the whole model, computes the gradients of its share of a batch, and the
// gradients are added over the processes. A process has a rank, 0 .. world - 1. Without a launcher there is one process,
// single_process(), which exchanges nothing.
//
// All calls are collective: every rank makes the same calls, with values of the same lengths, in the same order. A sum
// adds in the order of the ranks, so that its bits depend on the values and on nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

class Communicator {
 public:
  /// Identifies an exchange that was started.
  using Ticket = std::int64_t;

  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  /// Number of processes.
  virtual int world() const = 0;

  /// Starts to replace `values` by their sums over all ranks. They may not be used before wait() has returned. `owner`
  /// has their memory, and is kept until the sum is done, even if an error ends the caller before that.
  virtual Ticket start_sum(std::span<float> values, std::shared_ptr<const void> owner) = 0;
  /// The same for `values` in world() equal parts, [world, n], of which part rank() becomes its sum. The others become
  /// undefined.
  virtual Ticket start_sum_of_parts(std::span<float> values, std::shared_ptr<const void> owner) = 0;
  /// The opposite: `bytes` are in world() equal parts, [world, n], and part r becomes that of rank r.
  virtual Ticket start_share(std::span<std::byte> bytes, std::shared_ptr<const void> owner) = 0;
  /// Returns when this exchange and all that were started before it are done.
  virtual void wait(Ticket exchange) = 0;
  /// The bytes of every rank, in the order of the ranks. The lengths may differ.
  virtual std::vector<std::string> gather(std::string_view bytes) = 0;

  bool alone() const { return world() == 1; }
  /// Whether it is true on any rank.
  bool any(bool mine);
};

/// The only process of a run.
Communicator& single_process();

}  // namespace attune
