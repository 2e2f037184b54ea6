// A model of a GPU that predicts how long a kernel takes from what it moves and computes: a roofline with whole waves, a
// cache of whole tensors and a constant for each launch. It is one model with stated constants, and nothing in it is fitted
// to a kernel or a step.
//
//   time of a node = launch + the longest of
//     bytes from and to memory / rate of memory         what the L2 cache does not have (L2Cache)
//     sectors that warps access / rate of the L2 cache  or, if few blocks have much to do, of a multiprocessor's link to it
//     operations of tensor cores / rate of a multiprocessor, for the multiprocessor with the most blocks
//   time of a product: the same for the fastest of the tiles and cuts of K that libraries have
//
// Not in it: arithmetic outside of tensor cores, registers, L1 caches, the latency of dependent loads, clocks that fall
// under load, and work on a second stream (nodes are added up). docs/performance.md says where the constants come from.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace attune {

struct Machine {
  const char* name;
  int multiprocessors;
  std::size_t shared_bytes;   // of a multiprocessor
  double memory;              // bytes per second of a copy on the device, read and written
  double cache_bytes, cache;  // L2: size, and bytes per second
  double link;                // bytes per second between the cache and one multiprocessor
  double product;             // FLOP/s of the largest products of bfloat16 matrices
  double instructions;        // FLOP/s of mma.sync in bfloat16, which attune's own kernels use
  bool pairs;                 // two blocks of a product share what they load (clusters)
  double launch;              // seconds that a node of a graph adds to its work
};

/// A100, H100, H200: 80 GB SXM for the first two.
std::span<const Machine> machines();
/// By its name in lower case. Throws UsageError listing them.
const Machine& machine_of(const std::string& name);

/// Bytes that a node reads and writes of one tensor. Of what is accessed again and again, each byte counts once in
/// `read` and `written`.
struct TensorUse {
  std::uint64_t tensor;
  double read, written;
};

/// What a node does, as far as the model looks at it.
struct NodeWork {
  std::uint64_t blocks = 1;
  unsigned threads = 1;
  std::size_t shared_bytes = 0;
  double sectors = 0;     // bytes of all sectors that warps access; products: none, they follow from the tile
  double operations = 0;  // of tensor cores, by mma.sync; or of a product
  std::int64_t m = 0, n = 0, k = 0;  // of a product; 0: a kernel
  int element_bytes = 2;             // of a product
  std::vector<TensorUse> tensors;
};

/// Which bytes of tensors are in the cache: the tensors that were used last, until it is full. Results stay in it until
/// they have to make room.
class L2Cache {
 public:
  explicit L2Cache(double bytes) : free_(bytes), bytes_(bytes) {}
  /// Bytes that go from and to memory when a node uses a tensor.
  double use(const TensorUse& use);
  /// Nobody will read the tensor: other tensors get its bytes, and write over them while they are in the cache.
  void forget(std::uint64_t tensor);

 private:
  struct Line {
    std::uint64_t tensor;
    double bytes, changed;
  };
  double make_room(double bytes);

  std::list<Line> lines_;  // used last: at the front
  std::map<std::uint64_t, std::list<Line>::iterator> found_;
  double free_, bytes_;
};

struct NodeTime {
  double launch = 0, memory = 0, cache = 0, tensor = 0;  // seconds; the node takes launch + the longest other
  double memory_bytes = 0, cache_bytes = 0;
  std::string limit;        // which that is
  std::string tile;         // of a product
  int resident_blocks = 0;  // blocks that a multiprocessor holds at a time, if registers allow it
  std::int64_t waves = 0;   // until all blocks have run
  double seconds() const;
};

/// The nodes of a step in their order, with the cache as the same step left it. A tensor that a step writes before it reads
/// it is forgotten after its last use.
std::vector<NodeTime> predict(const Machine& machine, std::span<const NodeWork> nodes);

}  // namespace attune
