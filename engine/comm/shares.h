// The parts of some arrays that the processes of a run hold, for what is divided over them.
//
// An array is cut into pieces of `grain` elements, of which the last may have fewer. Each rank has some consecutive
// pieces, rank after rank. The pieces are dealt one by one to the rank that has least so far: the parts of every few
// arrays are of about equal sizes, and those of all arrays differ by at most two pieces.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/comm/communicator.h"

namespace attune {

class Shares {
 public:
  /// Elements [begin, end) of an array.
  struct Part {
    std::int64_t begin, end;
    std::int64_t size() const { return end - begin; }
    friend bool operator==(const Part&, const Part&) = default;
  };

  /// Of arrays of these sizes, divided over `processes`.
  Shares(Communicator& processes, const std::vector<std::int64_t>& sizes, std::int64_t grain);

  Communicator& processes() const { return processes_; }
  std::size_t arrays() const { return ends_.size(); }
  /// What a rank has of an array.
  Part part(std::size_t array, int rank) const;
  Part own(std::size_t array) const { return part(array, processes_.rank()); }

 private:
  Communicator& processes_;
  std::vector<std::vector<std::int64_t>> ends_;  // of the parts of each array
};

}  // namespace attune
