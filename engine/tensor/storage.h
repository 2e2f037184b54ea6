// A reference-counted block of bytes on one device.
//
// Training allocates the same sizes in the same order at every step. Freed blocks are therefore kept in lists by size
// class (at most 1/8 larger than asked for) and handed out again without touching the operating system; in sanitized
// builds every block is its own exact allocation, so that a read past its end is seen.
#pragma once

#include <cstddef>
#include <memory>

#include "engine/tensor/device.h"

namespace attune {

class Storage {
 public:
  /// Uninitialised bytes, aligned to 64. Throws Error naming the size where memory is exhausted.
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device);

  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  Device device() const { return device_; }

 private:
  Storage(std::byte* data, std::size_t size, Device device) : data_(data), size_(size), device_(device) {}

  std::byte* data_;
  std::size_t size_;
  Device device_;
};

}  // namespace attune
