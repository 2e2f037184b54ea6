// The only doorway to a GPU: memory, copies, streams, events, graphs, and the context every CUDA op runs in.
//
// Two implementations stand behind it, one of which is linked (CMake option ATTUNE_CUDA): nvidia/, on the CUDA runtime,
// and simulated/, which runs the same kernels on the CPU and is strict where a GPU is silent. Nothing here names a CUDA
// type.
//
// Work on a stream happens in order and later than the call: results are there after synchronize(). Work on two streams
// is unordered unless an Event lies between. Kernels are launched from .cu files through launch() (platform.cuh).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "kernels/context.h"

namespace attune::cuda {

/// Whether this process may use a GPU. The simulated one must be asked for: ATTUNE_SIMULATE_GPU=1.
bool available();
/// Why not, in one line; empty where it may.
std::string unavailable_reason();
/// Draws the thread schedules of a simulated device from this seed (at first ATTUNE_SIMULATOR_SEED, or 1); a GPU has
/// its own.
void set_schedule_seed(std::uint64_t seed);
/// "nvidia" or "simulated".
const char* backend_name();

struct DeviceInfo {
  std::string name;
  int compute_capability;  // 80 is 8.0
  int multiprocessors;
  std::size_t shared_bytes;  // a block may use, after opting in
  std::size_t total_bytes;
};
/// The current device. Throws Error where there is none.
const DeviceInfo& device_info();

/// Uninitialised device memory, aligned to 256 bytes. Throws OutOfMemory naming the size and the bytes that are free
/// where there is not enough.
void* allocate(std::size_t bytes);
/// Waits for all work of the device, then frees. Null is allowed.
void deallocate(void* device) noexcept;

/// A block of device memory that dies with the object.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}
  ~Buffer() { deallocate(data_); }
  Buffer(Buffer&& other) noexcept : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr, other.bytes_ = 0;
  }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_), std::swap(bytes_, other.bytes_);
    return *this;
  }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

class Event;
class Graph;

/// An ordered queue of device work.
class Stream {
 public:
  /// Throws Error where no GPU may be used.
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Waits until all work is done. Throws Error with the fault of a kernel that failed.
  void synchronize() const;
  /// Later work of this stream starts after what `event` recorded.
  void wait(const Event& event) const;
  /// From here until end_capture, work is recorded instead of run.
  void begin_capture() const;
  Graph end_capture() const;
  /// Forgets what was recorded.
  void abandon_capture() const;
  bool capturing() const;

  struct State;
  State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// A point in a stream's work.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(const Stream& stream);
  /// Waits until the recorded point is reached.
  void synchronize() const;
  /// Milliseconds between two recorded and reached points.
  static double elapsed_ms(const Event& begin, const Event& end);

  struct State;
  State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// A captured piece of a stream's work, to be run again as a whole.
class Graph {
 public:
  struct State;
  explicit Graph(std::unique_ptr<State> state);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  void launch(const Stream& stream) const;

 private:
  std::unique_ptr<State> state_;
};

/// The host memory may be reused as soon as the call returns.
void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream);
/// The host memory holds the bytes after stream.synchronize().
void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream);
void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream);
void set_zero(void* device, std::size_t bytes, const Stream& stream);

/// Memory from the arena of the device: valid for work put on the stream until it is freed there, and handed out again
/// at once to what is put on it later. One stream uses the arena. What is allocated while the stream is captured belongs
/// to captured work for good: ordinary work never gets it, other captured work may. Freeing what was allocated before is
/// allowed meanwhile. Throws OutOfMemory as allocate() does.
void* arena_allocate(std::size_t bytes, const Stream& stream);
void arena_free(void* device, const Stream& stream) noexcept;

/// Bytes of the arena's blocks: of those in use, the most there were since the last reset, and those held for reuse
/// beside.
struct ArenaUse {
  std::size_t in_use, peak, reserved;
};
ArenaUse arena_use();
void reset_arena_peak();
/// Gives what the arena holds for reuse back to the device, but for what graphs were recorded with.
void arena_release();
/// Bytes of the device that nobody has taken.
std::size_t free_bytes();

/// Page-locked host memory, which copies from a device reach without the host waiting. Freed blocks are kept for reuse.
void* pinned_allocate(std::size_t bytes);
void pinned_free(void* host, std::size_t bytes) noexcept;

/// Temporary memory of the arena: valid for work put on the stream during the life of the object.
class Scratch {
 public:
  Scratch(std::size_t bytes, const Stream& stream);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  const Stream& stream_;
};

/// What matrix products keep between calls (matmul.h); the backend knows what.
struct MatmulPlans;
std::shared_ptr<MatmulPlans> make_matmul_plans();

/// How products of float32 matrices are made: exactly, or with operands rounded to TF32 (10 bits of mantissa).
enum class MatmulPrecision : std::uint8_t { kFloat32, kTensorFloat32 };

/// The second implementation of attention (cudnn_attention.h).
struct CudnnPlans;

}  // namespace attune::cuda

namespace attune::kernels {

/// Where CUDA ops run: one stream and what is kept between calls on it.
class CudaContext {
 public:
  /// Throws Error where no GPU may be used.
  CudaContext();
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  const cuda::Stream& stream() const { return stream_; }
  /// A device copy of `bytes` (such as a table of pointers). Equal bytes share one copy, so that a table that repeats
  /// every step is sent once. What is asked for during a capture lives as long as the context, the rest until 64 others
  /// were asked for.
  const void* constant(std::span<const std::byte> bytes) const;
  cuda::MatmulPlans& matmul_plans() const { return *matmul_plans_; }
  /// For what is launched from now on; float32 at first.
  void set_matmul_precision(cuda::MatmulPrecision precision) { matmul_precision_ = precision; }
  cuda::MatmulPrecision matmul_precision() const { return matmul_precision_; }
  /// Whose attention is launched from now on: cuDNN's, or our own as at first. Throws Error where cuDNN cannot be used.
  void set_cudnn_attention(bool on);
  /// Null: our own.
  cuda::CudnnPlans* cudnn_attention() const { return cudnn_attention_ ? cudnn_plans_.get() : nullptr; }

 private:
  struct Kept;
  std::unique_ptr<Kept> kept_;  // first: making it asks whether there is a GPU
  cuda::Stream stream_;
  std::shared_ptr<cuda::MatmulPlans> matmul_plans_;
  cuda::MatmulPrecision matmul_precision_ = cuda::MatmulPrecision::kFloat32;
  std::shared_ptr<cuda::CudnnPlans> cudnn_plans_;
  bool cudnn_attention_ = false;
};

}  // namespace attune::kernels
