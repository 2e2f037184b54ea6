// A folder that one process at a time writes to: a run locks its output folder from its first to its last moment.
//
// The lock is the kernel's (flock on the folder), so a killed process leaves none. Some file systems have no locks, and
// on some network file systems a lock holds on one machine only; there the user must ensure that only one run uses the
// folder.
#pragma once

#include <string>

#include "base/descriptor.h"

namespace attune {

class LockedFolder {
 public:
  /// Creates the folder if it is missing, locks it, and ends what a killed process has begun there
  /// (finish_interrupted_commit); without locks it only removes files in the making that are a day old. Throws IoError if no
  /// file can be created there, Error naming the process if another one has locked the folder.
  explicit LockedFolder(std::string path);
  /// Unlocks. Removes the folder if this object created it and it is empty.
  ~LockedFolder();
  LockedFolder(const LockedFolder&) = delete;
  LockedFolder& operator=(const LockedFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  /// False if the file system has no locks.
  bool lock();

  std::string path_;
  bool created_ = false;
  Descriptor lock_;
};

/// For a reader of a FileSet: if the folder has no key file since a process was killed in commit(), finishes that, under the
/// folder's lock. Throws as LockedFolder does, also if the set is being replaced just now.
void finish_set_without_key(const std::string& folder, const std::string& key);

}  // namespace attune
