#include "base/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace attune {
namespace {

template <class Call>
int uninterrupted(const Call& call) {
  for (;;)
    if (const int result = call(); result >= 0 || errno != EINTR) return result;
}

}  // namespace

void Descriptor::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

int open_descriptor(const std::string& path, int flags, unsigned mode) {
  return uninterrupted([&] { return open(path.c_str(), flags | O_CLOEXEC, mode); });
}

int copy_descriptor(int fd) {
  return uninterrupted([&] { return fcntl(fd, F_DUPFD_CLOEXEC, 0); });
}

int sync_descriptor(int fd) {
  return uninterrupted([&] { return fsync(fd); });
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
    const std::size_t wanted = std::min(size, block.size());
    for (std::size_t done = 0; done < wanted;) {
      const ssize_t n = pread(fd, block.data() + done, wanted - done, static_cast<off_t>(begin + done));
      if (n < 0 && errno == EINTR) continue;
      if (n == 0) errno = ENODATA;  // the file has ended
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    take(std::span<const std::byte>(block).first(wanted));
    begin += wanted;
    size -= wanted;
  }
  return true;
}

std::string read_failure(int error) {
  return error == ENODATA ? "was cut while it was read" : std::string("cannot be read: ") + std::strerror(error);
}

}  // namespace attune
