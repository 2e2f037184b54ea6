// The checkpoints of one run: a folder with step-00000123.safetensors, and `latest`, which names the newest whole one.
//
// A checkpoint is written to a temporary file, synced and renamed before `latest` is, and older ones are removed last:
// at whatever moment a process is killed, `latest` names a whole file. The folder is locked while an object lives.
#pragma once

#include <cstdint>
#include <string>

#include "engine/train/run_state.h"

namespace attune {

class Checkpoints {
 public:
  /// Makes the folder where it is missing, and removes what killed processes have left half written. Throws IoError, or
  /// Error where another process has the folder.
  explicit Checkpoints(std::string folder);
  /// Removes the folder where it is empty.
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  const std::string& folder() const { return folder_; }
  /// Writes a checkpoint and points `latest` to it. Then those of later steps are removed, which a run that went on from
  /// here will make again, and the oldest ones, so that `keep` (at least 1) are left.
  void save(const RunState& state, std::int64_t keep);
  /// Removes every checkpoint.
  void clear();

 private:
  std::string folder_;
  int lock_ = -1;
};

/// The checkpoint that a user means: a file; or a folder with `latest`, or with a folder `checkpoints` that has it.
/// Throws IoError saying what is missing.
std::string find_checkpoint(const std::string& where);
/// Whether a folder has a `latest`.
bool has_checkpoint(const std::string& folder);

}  // namespace attune
