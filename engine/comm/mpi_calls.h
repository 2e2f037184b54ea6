// The calls of MPI that attune makes, with plain types.
//
// They are in a module of their own (engine/comm/mpi/module.cpp, libattune_mpi.so), which is loaded only if a launcher
// has started several processes. So the programs neither need MPI to run nor to be built. MPI ends all processes itself,
// with a message, if one of its calls fails.
#pragma once

#include <cstdint>

namespace attune {

/// All of them are called by one thread, the one that has opened the module.
struct MpiCalls {
  int rank, world;

  /// Starts to send `bytes` bytes, below 2^31, to each rank and to receive as many from each: [world, bytes] both
  /// (MPI_Ialltoall). One operation at a time; its memory may not be used before done().
  void (*start_exchange)(const void* send, void* receive, std::int64_t bytes);
  /// Starts to send the same `bytes` bytes to every rank and to receive as many from each: receive is [world, bytes]
  /// (MPI_Iallgather).
  void (*start_gather)(const void* send, void* receive, std::int64_t bytes);
  /// Whether the operation has ended.
  bool (*done)();
  /// Sends a sign of life to the next rank, and returns whether one has come from the previous rank since the last call.
  bool (*beat)();
  /// Ends MPI in this process. All processes must call it.
  void (*finalize)();
  /// Ends all processes.
  void (*abort)(int exit_code);
};

/// What the module exports, under the name kOpenMpi: starts MPI.
using OpenMpi = MpiCalls();
inline constexpr const char* kOpenMpi = "attune_open_mpi";

}  // namespace attune
