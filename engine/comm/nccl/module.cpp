// NCCL's calls for attune (engine/comm/nccl_calls.h): a shared library that is loaded at run time.
#include <nccl.h>

#include <algorithm>
#include <mutex>

#include "engine/comm/nccl_calls.h"

namespace {

ncclComm_t communicator = nullptr;
int own_rank = 0, ranks = 0;
std::mutex state;  // failure() and abort() are called by other threads
bool aborted = false;

// What NCCL says about the call; empty if it has succeeded.
std::string text_of(ncclResult_t result, const char* call) {
  if (result == ncclSuccess) return {};
  return std::string(call) + ": " + ncclGetErrorString(result) + " (" + ncclGetLastError(nullptr) + ")";
}

std::string make_id(attune::NcclId& id) {
  ncclUniqueId made;
  static_assert(sizeof made.internal == sizeof id);
  const ncclResult_t result = ncclGetUniqueId(&made);
  std::copy_n(made.internal, id.size(), id.begin());
  return text_of(result, "ncclGetUniqueId");
}

std::string open(const attune::NcclId& id, int rank, int world) {
  ncclUniqueId given;
  std::copy_n(id.begin(), id.size(), given.internal);
  own_rank = rank, ranks = world;
  ncclComm_t opened = nullptr;
  const ncclResult_t result = ncclCommInitRank(&opened, world, given, rank);
  const std::scoped_lock lock(state);
  communicator = opened;
  return text_of(result, "ncclCommInitRank");
}

// NCCL runs the calls of a group at once: no rank waits for another one's turn.
std::string exchange(const void* send, void* receive, std::size_t bytes, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  ncclResult_t result = ncclGroupStart();
  if (result != ncclSuccess) return text_of(result, "ncclGroupStart");
  for (int r = 0; r < ranks && result == ncclSuccess; ++r) {
    const std::size_t part = static_cast<std::size_t>(r) * bytes;
    result = ncclSend(static_cast<const char*>(send) + part, bytes, ncclChar, r, communicator, on);
    if (result == ncclSuccess)
      result = ncclRecv(static_cast<char*>(receive) + part, bytes, ncclChar, r, communicator, on);
  }
  const ncclResult_t end = ncclGroupEnd();
  return text_of(result == ncclSuccess ? end : result, "ncclSend and ncclRecv");
}

std::string gather(void* values, std::size_t bytes, void* stream) {
  const char* const own = static_cast<const char*>(values) + static_cast<std::size_t>(own_rank) * bytes;
  return text_of(ncclAllGather(own, values, bytes, ncclChar, communicator, static_cast<cudaStream_t>(stream)),
                 "ncclAllGather");
}

std::string failure() {
  const std::scoped_lock lock(state);
  if (communicator == nullptr || aborted) return {};
  ncclResult_t later = ncclSuccess;
  const ncclResult_t result = ncclCommGetAsyncError(communicator, &later);
  if (result != ncclSuccess) return text_of(result, "ncclCommGetAsyncError");
  return later == ncclInProgress ? std::string() : text_of(later, "NCCL");
}

void abort_work() {
  const std::scoped_lock lock(state);
  if (communicator == nullptr || aborted) return;
  aborted = true;
  ncclCommAbort(communicator);
}

}  // namespace

extern "C" const attune::NcclCalls* attune_open_nccl() {
  static const attune::NcclCalls calls{make_id, open, exchange, gather, failure, abort_work};
  return &calls;
}
