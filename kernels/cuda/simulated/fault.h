// The faults that the simulator reports. A GPU would hang, read garbage or be right by luck.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace attune::simulated {

enum class Fault : std::uint8_t {
  kEarlyExit,            // a thread returned before a barrier or warp collective that others wait at
  kDivergentBarrier,     // threads of a block wait at different barriers, or in a collective that never completes
  kDivergentCollective,  // lanes named in a mask do not all reach the same warp collective
  kBadMask,              // a lane calls a collective whose mask does not name it, or reads from a lane outside the mask
  kOutOfBounds,          // an access outside every allocation of its memory space
  kFreedMemory,          // an access to memory of the arena that no block has when the stream comes to it
  kMisaligned,           // an access whose address is no multiple of its size
  kUninitialised,        // a read of shared memory that no thread of this block has written
  kRace,                 // two threads touch the same shared bytes, one writing, with no barrier between
  kBlockRace,            // two blocks of a launch touch the same global bytes, one writing, and nothing orders them
  kAsyncPending,         // shared memory under a cp.async is touched before its wait
  kBadLaunch,            // a grid, block or shared-memory size no device accepts
};

constexpr const char* name_of(Fault fault) {
  switch (fault) {
    case Fault::kEarlyExit:
      return "early exit";
    case Fault::kDivergentBarrier:
      return "divergent barrier";
    case Fault::kDivergentCollective:
      return "divergent collective";
    case Fault::kBadMask:
      return "bad mask";
    case Fault::kOutOfBounds:
      return "out of bounds";
    case Fault::kFreedMemory:
      return "freed memory";
    case Fault::kMisaligned:
      return "misaligned access";
    case Fault::kUninitialised:
      return "uninitialised shared memory";
    case Fault::kRace:
      return "missing barrier";
    case Fault::kBlockRace:
      return "race between blocks";
    case Fault::kAsyncPending:
      return "cp.async not waited for";
    case Fault::kBadLaunch:
      return "bad launch";
  }
  return "?";
}

inline std::ostream& operator<<(std::ostream& out, Fault fault) {
  return out << name_of(fault);
}

/// A kernel broke a rule of the programming model. The message names fault, kernel, block and thread.
class SimulatorFault : public Error {
 public:
  SimulatorFault(Fault fault, const std::string& message) : Error(message), fault_(fault) {}
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

}  // namespace attune::simulated
