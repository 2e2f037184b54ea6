// A stand-in for NCCL on the simulated device, for tests of what attune does with it. With engine/comm/nccl/module.cpp it
// is a module like libattune_nccl.so.
//
// The processes must be on one machine: they share a file in memory with a mailbox for each pair of ranks, a sender and a
// receiver, that holds one piece of a message. An operation is work of the simulated stream, so that it happens in the
// stream's order, again at each replay of a graph, and only when the host waits for it. As with NCCL, it waits for the
// others for ever, and messages of a pair are in the order of the calls. If an operation is not captured by all ranks or by
// none, or graphs are launched together that were not captured together, the communicator has an error.
//
// ATTUNE_NCCL_STAND_IN=no_devices: ncclCommInitRank fails on all ranks. refuses=R: it fails on rank R, before that one has
// met the others, who wait for it. never=R: it never returns on rank R. fail_after=N: from the N-th operation on, none is
// done, and the communicator has an error.
#include <fcntl.h>
#include <nccl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/cuda/simulated/stream_state.h"

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;

struct Mailbox {
  std::atomic<std::size_t> bytes;  // of the piece in it; 0: empty
  long capture;                    // of the operation that sent it
  char piece[kPiece];
};

// The shared file. A new file is zeros.
struct Shared {
  std::atomic<int> attached;
  Mailbox boxes[1];  // [sender, receiver]
};

std::size_t file_size(int world) {
  return sizeof(Shared) + static_cast<std::size_t>(world * world) * sizeof(Mailbox);
}

// One message to or from a rank.
struct Message {
  bool sends;
  char* data;
  std::size_t bytes;
  int peer;
};

long option(const char* name) {
  const char* const text = std::getenv("ATTUNE_NCCL_STAND_IN");
  const std::string prefix = std::string(name) + "=";
  return text != nullptr && std::string(text).starts_with(prefix) ? std::atol(text + prefix.size()) : -1;
}

}  // namespace

struct ncclComm {
  Shared* shared;
  int rank, world;
  std::atomic<bool> aborted{false}, failed{false};
  long operations = 0, fail_after = option("fail_after");

  Mailbox& box(int sender, int receiver) const { return shared->boxes[sender * world + receiver]; }

  // Moves a piece if the mailbox allows it; whether it did.
  bool advance(Message& message, long capture) {
    Mailbox& own = message.sends ? box(rank, message.peer) : box(message.peer, rank);
    const std::size_t there = own.bytes.load(std::memory_order_acquire);
    if (message.sends == (there != 0)) return false;
    if (message.sends)
      own.capture = capture;
    else if (own.capture != capture)
      failed = true;
    const std::size_t piece = message.sends ? std::min(message.bytes, kPiece) : there;
    message.sends ? std::memcpy(own.piece, message.data, piece) : std::memcpy(message.data, own.piece, piece);
    own.bytes.store(message.sends ? piece : 0, std::memory_order_release);
    message.data += piece;
    message.bytes -= piece;
    return true;
  }

  void run(std::vector<Message> messages, long capture) {
    failed = failed || operations++ == fail_after;
    std::erase_if(messages, [](const Message& message) { return message.bytes == 0; });
    while (!messages.empty() && !aborted) {
      bool moved = false;
      if (!failed)
        for (Message& message : messages) moved |= advance(message, capture);
      std::erase_if(messages, [](const Message& message) { return message.bytes == 0; });
      if (!moved) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
};

namespace {

// The group that is open.
bool grouped = false;
std::vector<Message> group;
ncclComm_t group_communicator = nullptr;
cudaStream_t group_stream = nullptr;

// The number of the capture that the stream is in; 0: none.
long capture_of(const attune::cuda::Stream::State& stream) {
  static std::weak_ptr<attune::cuda::Graph::State> latest;
  static long captures = 0;
  if (!stream.capture) return 0;
  if (latest.lock() != stream.capture) ++captures;
  latest = stream.capture;
  return captures;
}

ncclResult_t start(std::vector<Message> messages, ncclComm_t communicator, cudaStream_t stream) {
  auto* const state = reinterpret_cast<attune::cuda::Stream::State*>(stream);
  state->put({.run = [=, capture = capture_of(*state), messages = std::move(messages)] {
    communicator->run(messages, capture);
  }});
  return ncclSuccess;
}

ncclResult_t add(const Message& message, ncclComm_t communicator, cudaStream_t stream) {
  if (!grouped) return start({message}, communicator, stream);
  group.push_back(message);
  group_communicator = communicator, group_stream = stream;
  return ncclSuccess;
}

}  // namespace

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::string name = "/attune-nccl-stand-in-" + std::to_string(getpid()) + "-" +
                           std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  const int file = shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  if (file < 0) return ncclSystemError;
  close(file);
  *id = {};
  std::ranges::copy(name, id->internal);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* communicator, int world, ncclUniqueId id, int rank) {
  const char* const wanted = std::getenv("ATTUNE_NCCL_STAND_IN");
  const bool fails = wanted != nullptr && std::string(wanted) == "no_devices";
  if (option("refuses") >= 0 || option("never") >= 0) {  // the ranks never meet
    shm_unlink(id.internal);
    if (option("refuses") == rank) return ncclInvalidUsage;
    while (true) std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  const int file = shm_open(id.internal, O_RDWR, 0600);
  if (file < 0 || ftruncate(file, static_cast<off_t>(file_size(world))) != 0) return ncclSystemError;
  void* const memory = mmap(nullptr, file_size(world), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return ncclSystemError;
  auto* const shared = static_cast<Shared*>(memory);
  if (++shared->attached == world) shm_unlink(id.internal);
  while (shared->attached < world) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (fails) return ncclInvalidUsage;
  *communicator = new ncclComm{shared, rank, world};  // never destroyed: work may still be on its way
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* error) {
  *error = communicator->failed ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  communicator->aborted = true;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  grouped = true;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  grouped = false;
  return start(std::exchange(group, {}), group_communicator, group_stream);
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t communicator,
                      cudaStream_t stream) {
  return add({true, const_cast<char*>(static_cast<const char*>(data)), count, peer}, communicator, stream);
}

ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t communicator,
                      cudaStream_t stream) {
  return add({false, static_cast<char*>(data), count, peer}, communicator, stream);
}

ncclResult_t ncclAllGather(const void* send, void* receive, std::size_t count, ncclDataType_t, ncclComm_t communicator,
                           cudaStream_t stream) {
  std::vector<Message> messages;
  for (int r = 0; r < communicator->world; ++r) {
    messages.push_back({true, const_cast<char*>(static_cast<const char*>(send)), count, r});
    messages.push_back({false, static_cast<char*>(receive) + static_cast<std::size_t>(r) * count, count, r});
  }
  return start(std::move(messages), communicator, stream);
}

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error" : "the stand-in refuses";
}

const char* ncclGetLastError(ncclComm_t) {
  return "stand-in";
}
