// Open files of the operating system: closed at the end of a scope, written and read in whole.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>

namespace attune {

/// Owns a descriptor; a negative one is none.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(-1); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  /// Closes it and owns another.
  void reset(int fd);

 private:
  int fd_;
};

/// Writes all bytes at the position of the file, or at byte `at` if it is not negative. False, and errno, on failure.
bool write_all(int fd, std::span<const std::byte> bytes, std::ptrdiff_t at = -1);
/// Calls take(block) for the `size` bytes from `begin` on, in blocks of at most 1 MiB. False, and errno, if they cannot
/// be read. Unlike those of a mapping, pages that were read do not count as memory of the process.
bool read_blocks(int fd, std::size_t begin, std::size_t size,
                 const std::function<void(std::span<const std::byte>)>& take);

}  // namespace attune
