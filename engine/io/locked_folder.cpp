#include "engine/io/locked_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "engine/io/file_set.h"

namespace attune {
namespace {

// " (process 1234)" of the process that has locked an open folder; empty if the system does not say. The lines of
// /proc/locks are "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF", where fe:00 is the device and 5678 the inode.
std::string holder_of(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return "";
  std::array<char, 64> locked{};
  std::snprintf(locked.data(), locked.size(), "%02x:%02x:%llu", major(info.st_dev), minor(info.st_dev),
                static_cast<unsigned long long>(info.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, mode, access, process, file;
    if (words >> number >> kind >> mode >> access >> process >> file && kind == "FLOCK" && file == locked.data())
      return " (process " + process + ")";
  }
  return "";
}

}  // namespace

LockedFolder::LockedFolder(std::string path) : path_(std::move(path)) {
  if (lock())
    finish_interrupted_commit(path_);
  else
    remove_temporaries(path_, std::chrono::hours(24));
}

LockedFolder::~LockedFolder() {
  if (created_) rmdir(path_.c_str());
}

bool LockedFolder::lock() {
  const auto fail = [&] { throw IoError(path_, str_cat("the folder cannot be locked: ", std::strerror(errno))); };
  // Another process may remove the folder before this one has locked it: the lock is then of a folder without a name.
  for (int tries = 0; tries < 10; ++tries) {
    if (access(path_.c_str(), F_OK) != 0) created_ = true;
    prepare_output_folder(path_);
    lock_.reset(open_descriptor(path_, O_RDONLY | O_DIRECTORY));
    if (lock_.get() < 0 && errno == ENOENT) continue;
    if (lock_.get() < 0) fail();
    int code = 0;
    do {
      code = flock(lock_.get(), LOCK_EX | LOCK_NB);
    } while (code != 0 && errno == EINTR);
    if (code != 0) {
      if (errno == EWOULDBLOCK)
        throw Error(str_cat(path_, ": another run", holder_of(lock_.get()), " is writing to this folder"));
      if (errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL) return false;
      fail();
    }
    struct stat locked {};
    struct stat named {};
    if (fstat(lock_.get(), &locked) != 0) fail();
    if (stat(path_.c_str(), &named) != 0) {
      if (errno != ENOENT) fail();
      continue;
    }
    if (locked.st_dev == named.st_dev && locked.st_ino == named.st_ino) return true;
  }
  throw Error(str_cat(path_, ": another process removes this folder again and again"));
}

void finish_set_without_key(const std::string& folder, const std::string& key) {
  if (access((std::filesystem::path(folder) / key).c_str(), F_OK) == 0 || !has_interrupted_commit(folder)) return;
  const LockedFolder finishes(folder);
}

}  // namespace attune
