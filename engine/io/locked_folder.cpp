#include "engine/io/locked_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "engine/io/files.h"

namespace attune {
namespace {

// " (process 1234)" of the process that has locked an open folder; empty if the system does not say. The lines of
// /proc/locks are "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF", where 5678 is the inode.
std::string holder_of(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return "";
  const std::string inode = ":" + std::to_string(info.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, mode, access, process, file;
    if (words >> number >> kind >> mode >> access >> process >> file && kind == "FLOCK" && file.ends_with(inode))
      return " (process " + process + ")";
  }
  return "";
}

}  // namespace

LockedFolder::LockedFolder(std::string path) : path_(std::move(path)), created_(access(path_.c_str(), F_OK) != 0) {
  prepare_output_folder(path_);
  lock_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0 && flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    const std::string holder = holder_of(lock_);
    close(lock_);
    throw Error(str_cat(path_, ": another run", holder, " is writing to this folder"));
  }
  remove_temporaries(path_);
}

LockedFolder::~LockedFolder() {
  if (created_) rmdir(path_.c_str());
  if (lock_ >= 0) close(lock_);
}

}  // namespace attune
