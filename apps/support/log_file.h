// --log_file: a file of JSON lines of a run, which one run at a time writes to.
//
// The first line of a log has a mark, the version of attune. A file that is there may be a user's: it is replaced only if
// its first line is that of a log, and cut where a checkpoint ends only if the bytes before are those that the checkpoint
// knows. The log has whole lines alone: one that a full disk has cut is removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/descriptor.h"
#include "engine/io/sha256.h"
#include "json/value.h"

namespace attune {

/// The lines of a log so far.
struct LogState {
  std::int64_t bytes = 0;
  std::string digest;  // SHA-256
};

class LogFile {
 public:
  /// No log.
  LogFile() = default;
  /// A new log in place of an earlier one; or with `goes_on` the log of a run that is resumed: `kept` is what its
  /// checkpoint knows of it, if it had one. A log that has lost its end goes on after its last whole line. Throws IoError
  /// if the file cannot be created or is not the log that the checkpoint was made with; Error if attune did not write it,
  /// or another run is writing to it, where the file system has locks.
  LogFile(std::string path, bool goes_on, const std::optional<LogState>& kept);

  const std::string& path() const { return path_; }
  /// Adds a line. False, and errno, if it cannot be written; then the log ends with the line before, and later calls
  /// change nothing.
  bool write(const json::Value& record);
  /// What a checkpoint keeps; nothing if there is no log, or it is no file (a pipe, for one).
  std::optional<LogState> state() const;
  /// The batch whose line comes next, of a log that goes on; none of another one.
  std::optional<std::int64_t> next_step() const { return next_step_; }

 private:
  void read(std::int64_t size);

  std::string path_;
  Descriptor file_;
  bool is_file_ = false;
  std::int64_t bytes_ = 0;
  Sha256 lines_;
  std::optional<std::int64_t> next_step_;
};

}  // namespace attune
