// Memory of a GPU: blocks, copies, the arena that steps allocate from, and page-locked memory of the host.
#pragma once

#include <cstddef>
#include <utility>

namespace attune::cuda {

class Stream;

/// Uninitialised device memory, aligned to 256 bytes. Throws OutOfMemory naming the size and the bytes that are free if
/// there is not enough.
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

/// The host memory may be reused as soon as the call returns.
void copy_to_device(void* device, const void* host, std::size_t bytes, const Stream& stream);
/// The host memory holds the bytes after stream.synchronize().
void copy_to_host(void* host, const void* device, std::size_t bytes, const Stream& stream);
void copy_on_device(void* to, const void* from, std::size_t bytes, const Stream& stream);
void set_zero(void* device, std::size_t bytes, const Stream& stream);

/// Memory from the arena of the device: valid for work put on the stream until it is freed there, and handed out again
/// at once to what is put on it later. Only the main stream
/// uses the arena (Priority::kFirst; Error otherwise). Memory that is allocated while the stream is captured
/// belongs permanently to captured work: ordinary work never gets it, other captured work may. Freeing what was
/// allocated before is allowed meanwhile. Throws OutOfMemory as allocate() does.
void* arena_allocate(std::size_t bytes, const Stream& stream);
void arena_free(void* device, const Stream& stream) noexcept;

/// Bytes of the arena's blocks: in use now, the maximum in use since the last reset, and held for reuse.
struct ArenaUse {
  std::size_t in_use, peak, reserved;
};
ArenaUse arena_use();
void reset_arena_peak();
/// Returns the memory that the arena holds for reuse to the device, except memory that graphs were recorded with.
void arena_release();
/// Bytes of the device that are free.
std::size_t free_bytes();

/// Temporary memory of the arena: valid for work put on the stream during the life of the object.
class Scratch {
 public:
  Scratch(std::size_t bytes, const Stream& stream) : data_(arena_allocate(bytes, stream)), stream_(stream) {}
  ~Scratch() { arena_free(data_, stream_); }
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

/// Page-locked host memory, which copies from a device reach without the host waiting. Freed blocks are kept for reuse.
void* pinned_allocate(std::size_t bytes);
void pinned_free(void* host, std::size_t bytes) noexcept;

}  // namespace attune::cuda
