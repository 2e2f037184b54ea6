#include "base/descriptor.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace attune {

void Descriptor::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

bool write_all(int fd, std::span<const std::byte> bytes, std::ptrdiff_t at) {
  while (!bytes.empty()) {
    const ssize_t n = at < 0 ? write(fd, bytes.data(), bytes.size()) : pwrite(fd, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    if (at >= 0) at += n;
  }
  return true;
}

bool read_blocks(int fd, std::size_t begin, std::size_t size,
                 const std::function<void(std::span<const std::byte>)>& take) {
  std::vector<std::byte> block(std::min(size, std::size_t{1} << 20));
  while (size > 0) {
    const ssize_t n = pread(fd, block.data(), std::min(size, block.size()), static_cast<off_t>(begin));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;  // the file has ended
    if (n <= 0) return false;
    take(std::span<const std::byte>(block).first(static_cast<std::size_t>(n)));
    begin += static_cast<std::size_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace attune
