// A reference-counted block of bytes on one device, and copies between blocks.
//
// Blocks of host memory are cut from large segments (base/block_pool.h), which go back to the operating system only where
// memory is exhausted; in sanitized builds every block is its own exact allocation, so that a read past its end is seen.
// Device memory is valid for work on the stream of the process's CUDA context (engine/tensor/context.h).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/mapping.h"
#include "engine/tensor/device.h"

namespace attune {

class Storage {
 public:
  /// Uninitialised bytes, aligned to 64. Throws OutOfMemory naming the size if memory is exhausted, Error saying why if
  /// the device cannot be used.
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device);

  /// The first `bytes` of an open file, more than 0, read-only on the host (base/mapping.h). Throws IoError.
  static std::shared_ptr<Storage> map(int file, std::size_t bytes, const std::string& name);

  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  Device device() const { return device_; }

 private:
  explicit Storage(Device device) : device_(device) {}

  Device device_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;              // of host memory
  std::unique_ptr<Mapping> mapping_;  // of mapped bytes
};

/// Bytes of host memory that tensors hold, and their maximum since the last reset.
struct HostMemory {
  std::size_t in_use, peak;
};
HostMemory host_memory();
void reset_host_memory_peak();

/// A place of bytes.
template <class Pointer>
struct Place {
  Pointer data;
  Device device;
};
/// Copies `bytes` from one place to another. Copies from a device wait for all its work; `from` may be reused at once.
void copy_bytes(Place<void*> to, Place<const void*> from, std::size_t bytes);
void zero_bytes(Place<void*> place, std::size_t bytes);

}  // namespace attune
