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
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "engine/io/files.h"

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
  const bool locked = lock();
  remove_temporaries(path_, locked ? std::chrono::hours(0) : std::chrono::hours(24));
}

LockedFolder::~LockedFolder() {
  if (created_) rmdir(path_.c_str());
}

bool LockedFolder::lock() {
  // Another process may remove the folder before this one has locked it: the lock is then of a folder without a name.
  for (int tries = 0; tries < 10; ++tries) {
    if (access(path_.c_str(), F_OK) != 0) created_ = true;
    prepare_output_folder(path_);
    lock_.reset(open_descriptor(path_, O_RDONLY | O_DIRECTORY));
    if (lock_.get() < 0) continue;
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return false;
      throw Error(str_cat(path_, ": another run", holder_of(lock_.get()), " is writing to this folder"));
    }
    struct stat locked {};
    struct stat named {};
    if (fstat(lock_.get(), &locked) == 0 && stat(path_.c_str(), &named) == 0 && locked.st_dev == named.st_dev &&
        locked.st_ino == named.st_ino)
      return true;
  }
  return false;
}

}  // namespace attune
