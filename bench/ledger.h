// What every node of a captured step does, found by running a few blocks of each in the block simulator.
//
// A Ledger observes the simulated device (kernels/cuda/simulated/piece.h). Large copies and products are not made at all.
// A kernel of many blocks runs only a sample of them, with the simulator's counters on: one random block from each of
// several runs of consecutive blocks, of ever shorter runs until the estimated error is small. So blocks that differ by
// their place, as those of attention with a causal mask, are weighted rightly. Kernels that later ones take indices from
// run as a whole. Memory starts as zeros and exists only where something is written, so that a model of billions of bytes
// fits; most floats of a step are zeros, which changes no address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/machine_model.h"
#include "kernels/cuda/simulated/piece.h"

namespace attune {

struct LedgerNode {
  std::string kernel;  // the launch's name; product forward, product dX, product dW; copy
  simulated::Dim3 grid, block;
  std::int64_t m = 0, n = 0, k = 0;              // of a product
  std::uint64_t sampled = 0;                     // blocks that ran
  double sectors_read = 0, sectors_written = 0;  // bytes of the sectors that warps access
  double requested = 0;                          // bytes that lanes ask for; more than of sectors if they share bytes
  double wavefronts = 0, ideal_wavefronts = 0;   // of shared memory, and how many there would be without bank conflicts
  std::uint64_t requests = 0, barriers = 0;      // of one block, on average
  NodeWork work;
};

class Ledger : public simulated::Observer {
 public:
  /// Blocks that are sampled at first, or one of each row of the grid if those are more, but few. A sample is large enough
  /// if the relative standard error of the counts, and the share that lies in tensors which no sampled block uses, are
  /// estimated to be at most `error`, or at kMaxSample blocks.
  struct Options {
    std::uint64_t first_sample = 16;
    double error = 0.02;
    bool whole = false;  // every block of the graph's kernels runs
  };
  static constexpr std::uint64_t kMaxSample = 1024;

  /// Observes the device from now on, whose memory is sparse then. Throws Error if there is other device memory already.
  explicit Ledger(const Options& options);
  ~Ledger() override;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void run(const simulated::Piece& piece) override;
  /// The nodes of the graph that was replayed last.
  const std::vector<LedgerNode>& nodes() const { return nodes_; }

 private:
  void add(const simulated::Piece& piece);
  LedgerNode kernel_node(const simulated::Piece& piece);

  Options options_;
  std::vector<LedgerNode> nodes_;
};

}  // namespace attune
