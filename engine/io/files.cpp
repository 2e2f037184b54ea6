#include "engine/io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// Ends the name of a temporary; the X are replaced.
constexpr char kTemporary[] = ".attune-XXXXXX";

// Closes a descriptor at the end of a scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

std::string folder_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(path_ + kTemporary) {
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ < 0) fail("cannot be created");
  fchmod(fd_, 0644);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) const {
  throw IoError(path_, str_cat(what, ": ", std::strerror(errno)));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::write_at(std::size_t offset, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = pwrite(fd_, text.data(), text.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot be written");
    text.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::size_t>(n);
  }
}

void AtomicFile::sync() {
  if (fsync(fd_) != 0) fail("cannot be written to disk");
}

void AtomicFile::commit() {
  sync();
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  close(std::exchange(fd_, -1));
  const Descriptor folder{open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.fd >= 0) fsync(folder.fd);  // some file systems refuse to sync a folder; the file itself is safe
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void remove_temporaries(const std::string& folder) {
  constexpr std::string_view kName = kTemporary, kMark = kName.substr(0, kName.find('X'));
  std::error_code error;  // a file that cannot be removed does no harm
  std::filesystem::directory_iterator at(folder, error), end;
  for (std::error_code ignored; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.size() > kName.size() && name.substr(name.size() - kName.size(), kMark.size()) == kMark)
      std::filesystem::remove(at->path(), ignored);
  }
}

void copy_file(const std::string& from, const std::string& to) {
  write_file(to, read_file(from));
}

void create_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw IoError(path, "the folder cannot be created: " + error.message());
}

void prepare_output_folder(const std::string& path) {
  create_folders(path);
  if (access(path.c_str(), W_OK | X_OK) != 0)
    throw IoError(path, str_cat("no file can be created in the folder: ", std::strerror(errno)));
}

}  // namespace attune
