// MPI's calls for attune (engine/comm/mpi_calls.h): a shared library that is loaded at run time.
#include <mpi.h>

#include "engine/comm/mpi_calls.h"

namespace {

// Operations, and signs of life, which must not meet them.
MPI_Comm work = MPI_COMM_NULL, life = MPI_COMM_NULL;
MPI_Request operation = MPI_REQUEST_NULL, sent = MPI_REQUEST_NULL, received = MPI_REQUEST_NULL;
char sign_out = 0, sign_in = 0;
int next_rank = 0, previous_rank = 0;

void start_exchange(const void* send, void* receive, std::int64_t bytes) {
  const int each = static_cast<int>(bytes);
  MPI_Ialltoall(send, each, MPI_BYTE, receive, each, MPI_BYTE, work, &operation);
}

void start_gather(const void* send, void* receive, std::int64_t bytes) {
  const int each = static_cast<int>(bytes);
  MPI_Iallgather(send, each, MPI_BYTE, receive, each, MPI_BYTE, work, &operation);
}

bool tested(MPI_Request& request) {
  int flag = 0;
  MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
  return flag != 0;
}

bool done() {
  return tested(operation);
}

bool beat() {
  if (tested(sent)) MPI_Isend(&sign_out, 1, MPI_CHAR, next_rank, 0, life, &sent);
  if (!tested(received)) return false;
  MPI_Irecv(&sign_in, 1, MPI_CHAR, previous_rank, 0, life, &received);
  return true;
}

void finalize() {
  MPI_Cancel(&received);
  MPI_Request_free(&received);
  MPI_Wait(&sent, MPI_STATUS_IGNORE);
  MPI_Finalize();
}

void abort_all(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

}  // namespace

extern "C" attune::MpiCalls attune_open_mpi() {
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  attune::MpiCalls calls{};
  MPI_Comm_rank(MPI_COMM_WORLD, &calls.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &calls.world);
  MPI_Comm_dup(MPI_COMM_WORLD, &work);
  MPI_Comm_dup(MPI_COMM_WORLD, &life);
  next_rank = (calls.rank + 1) % calls.world;
  previous_rank = (calls.rank + calls.world - 1) % calls.world;
  MPI_Irecv(&sign_in, 1, MPI_CHAR, previous_rank, 0, life, &received);
  calls.start_exchange = start_exchange;
  calls.start_gather = start_gather;
  calls.done = done;
  calls.beat = beat;
  calls.finalize = finalize;
  calls.abort = abort_all;
  return calls;
}
