// The checkpoints of one run: a folder with step-00000123.safetensors, and `latest`, which names the newest whole one.
//
// A checkpoint is written to a temporary file, synced and renamed before `latest` is, and older ones are removed last.
// `latest` therefore always names a complete file, even if the process is killed. The folder is locked while the object
// lives (engine/io/locked_folder.h).
#pragma once

#include <cstdint>
#include <string>

#include "engine/io/locked_folder.h"
#include "engine/train/run_state.h"

namespace attune {

class Checkpoints {
 public:
  /// Creates the folder if it is missing, and removes incomplete files of killed processes. Throws IoError, or Error if
  /// another process uses the folder.
  explicit Checkpoints(std::string folder);

  const std::string& folder() const { return folder_.path(); }
  /// Writes a checkpoint and points `latest` to it. Then it removes checkpoints of later steps, which a run resumed
  /// from here writes again, and the oldest ones, until `keep` (at least 1) are left.
  void save(const RunState& state, std::int64_t keep);
  /// Removes every checkpoint, and the folder if nothing else is in it. No save() may follow.
  void clear();

 private:
  LockedFolder folder_;
};

/// The folder of a run's checkpoints in its output folder.
std::string checkpoints_folder(const std::string& output);
/// Finds the checkpoint of a path: a file; a folder with `latest`; or a folder whose folder `checkpoints` has `latest`.
/// Throws IoError saying what is missing.
std::string find_checkpoint(const std::string& where);
/// Whether a folder has a `latest`.
bool has_checkpoint(const std::string& folder);

}  // namespace attune
