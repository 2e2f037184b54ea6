// A folder that one process at a time writes to: a run locks its output folder from its first to its last moment.
//
// The lock is the kernel's (flock on the folder), so a killed process leaves none. Some file systems have no locks;
// there the user must ensure that only one run uses the folder.
#pragma once

#include <string>

namespace attune {

class LockedFolder {
 public:
  /// Creates the folder if it is missing, locks it, and removes the temporaries of killed processes. Throws IoError if
  /// no file can be created there, Error naming the process if another one has locked the folder.
  explicit LockedFolder(std::string path);
  /// Unlocks. Removes the folder if this object created it and it is empty.
  ~LockedFolder();
  LockedFolder(const LockedFolder&) = delete;
  LockedFolder& operator=(const LockedFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool created_;
  int lock_ = -1;
};

}  // namespace attune
