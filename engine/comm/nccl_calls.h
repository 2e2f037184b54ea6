// The calls of NCCL that attune makes, with plain types.
//
// They are in a module of their own (engine/comm/nccl/module.cpp, libattune_nccl.so), which is loaded only if several
// processes share a run on GPUs. So the programs neither need NCCL to run nor to be built.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace attune {

/// Identifies the processes that open NCCL together.
using NcclId = std::array<char, 128>;

/// Calls that can fail return the error, and an empty text if all is well. Streams are cudaStream_t.
struct NcclCalls {
  /// On rank 0, for all.
  std::string (*make_id)(NcclId& id);
  /// Returns when all ranks have called it, and never if one does not. Each has another GPU, the first that its process
  /// sees. By any thread.
  std::string (*open)(const NcclId& id, int rank, int world);

  /// Work of the stream: sends `bytes` bytes to each rank and receives as many from each, [world, bytes] both.
  std::string (*exchange)(const void* send, void* receive, std::size_t bytes, void* stream);
  /// Work of the stream: each rank's part of `values`, [world, bytes], is sent to all others.
  std::string (*gather)(void* values, std::size_t bytes, void* stream);

  /// The error of work that was started earlier. By any thread.
  std::string (*failure)();
  /// Ends the work that still waits for other ranks. By any thread; no call may follow.
  void (*abort)();
};

/// What the module exports, under the name kOpenNccl.
using OpenNccl = const NcclCalls*();
inline constexpr const char* kOpenNccl = "attune_open_nccl";

}  // namespace attune
