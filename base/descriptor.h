// Open files of the operating system: closed at the end of a scope, written and read in whole.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
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
  /// Gives it to the caller, who closes it.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// open() and dup() with O_CLOEXEC, and fsync(); again if a signal interrupts them.
int open_descriptor(const std::string& path, int flags, unsigned mode = 0);
int copy_descriptor(int fd);
int sync_descriptor(int fd);
/// Writes all bytes at the position of the file, or at byte `at` if it is not negative. False, and errno, on failure.
bool write_all(int fd, std::span<const std::byte> bytes, std::ptrdiff_t at = -1);
/// Calls take(block) for the `size` bytes from `begin` on, in blocks of 1 MiB and the rest. False, and errno, if they
/// cannot be read: ENODATA if the file has ended. Unlike pages of a mapping, they do not count as the process's memory.
bool read_blocks(int fd, std::size_t begin, std::size_t size,
                 const std::function<void(std::span<const std::byte>)>& take);
/// Why a file could not be read, for an IoError; `error`: errno, ENODATA if the file has ended too early.
std::string read_failure(int error);

}  // namespace attune
