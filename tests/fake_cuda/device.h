// The state of the fake device, for the files of this folder.
//
// Work waits on its stream until the host waits for it, and then runs in order: the latest moment that the CUDA
// programming guide allows. A copy reads its source and writes its destination only then.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace attune::fake_cuda {

using Task = std::function<void()>;

/// A piece of work. `issue` is called when it is put on a stream, at every launch of a graph anew; what it returns runs
/// later.
struct Work {
  std::function<Task()> issue;
  double ms = 0.001;
};

/// The work that streams record into one graph.
struct Capture {
  struct Node {
    Work work;
    std::set<std::size_t> after;  // nodes
  };
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  cudaStream_t origin;
  std::vector<cudaStream_t> streams;
  std::vector<Node> nodes;
  bool invalid = false, ended = false;
};

}  // namespace attune::fake_cuda

struct CUstream_st {
  unsigned flags = 0;
  struct Piece {
    attune::fake_cuda::Task task;
    double ms;
  };
  std::deque<Piece> queue;
  std::uint64_t put = 0, done = 0;
  std::shared_ptr<attune::fake_cuda::Capture> capture;
  std::set<std::size_t> last;  // nodes that the next one follows
};

struct CUevent_st {
  struct Record {
    double ms = 0;
    bool reached = false, disturbed = false;
  };
  unsigned flags = 0;
  cudaStream_t stream = nullptr;  // of the latest record outside of a capture; null: none
  std::uint64_t position = 0;
  std::shared_ptr<Record> record;
  std::shared_ptr<attune::fake_cuda::Capture> capture;  // of the latest record, if in one
  std::set<std::size_t> nodes;
};

struct CUgraph_st {
  std::vector<attune::fake_cuda::Capture::Node> nodes;
};
struct CUgraphExec_st {
  std::vector<attune::fake_cuda::Capture::Node> nodes;
};

namespace attune::fake_cuda {

/// Objects by handle. The memory of destroyed ones is kept, so that the use of a handle after that is found.
template <class T>
class Handles {
 public:
  T* create(T object = {}) {
    all_.push_back(std::make_unique<T>(std::move(object)));
    live_.insert(all_.back().get());
    return all_.back().get();
  }
  bool holds(T* handle) const { return live_.contains(handle); }
  bool destroy(T* handle) { return live_.erase(handle) == 1; }
  std::size_t count() const { return live_.size(); }
  /// Destroyed ones too.
  const std::vector<std::unique_ptr<T>>& all() const { return all_; }

 private:
  std::vector<std::unique_ptr<T>> all_;
  std::set<T*> live_;
};

struct Device {
  std::recursive_mutex mutex;
  std::size_t memory = std::size_t{1} << 30;
  std::map<const std::byte*, std::size_t> blocks, pinned;  // sizes by address
  std::set<void*> pages;                                   // large blocks that were made while nothing computes
  Handles<CUstream_st> streams;
  Handles<CUevent_st> events;
  Handles<CUgraph_st> graphs;
  Handles<CUgraphExec_st> executables;
  std::vector<std::shared_ptr<Capture>> captures;  // that have not ended
  cudaError_t last_error = cudaSuccess;
  cudaError_t fault = cudaSuccess;  // of work; every later call returns it
  std::vector<std::string> mistakes;
  bool compute = true;
  double clock_ms = 0;
  std::int64_t disturbed_times = 0;
  std::uint64_t random = 1;
};
Device& device();

/// One call of the interface: holds the lock, counts, and fails on request.
class Call {
 public:
  explicit Call(const char* name, int status_on_request = cudaErrorUnknown);
  /// Whether the call goes on.
  bool ok() const { return status_ == 0; }
  /// What it returns if not.
  cudaError_t error() const { return static_cast<cudaError_t>(status_); }
  int status() const { return status_; }
  /// Ends the call with this status, unless it is to fail.
  cudaError_t end(cudaError_t status) const;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  int status_ = 0;
};

/// Notes a mistake that a GPU would not report.
void mistake(const std::string& line);

/// Puts work on a stream, or records it.
cudaError_t put(cudaStream_t stream, Work work);
cudaError_t put(cudaStream_t stream, Task task);
/// Runs the work of a stream up to piece `until`.
void run_until(cudaStream_t stream, std::uint64_t until);
void run_all();
/// Ends a capture in error; its end reports it.
cudaError_t invalidate(const std::shared_ptr<Capture>& capture, cudaError_t error);
/// For calls that a capture may forbid in its thread or everywhere (all modes but "relaxed" do): their error.
cudaError_t unsafe_in_capture();
/// For calls that wait for the whole device.
cudaError_t waiting_in_capture();

/// Whether all of the bytes lie in one block of device memory that was not freed.
bool on_device(const void* address, std::size_t bytes);
/// Throws Error if not: a GPU reports an illegal address, or reads what now is there.
void check_operand(const void* address, std::size_t bytes, const std::string& what);

}  // namespace attune::fake_cuda
