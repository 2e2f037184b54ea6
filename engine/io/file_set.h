// Files of one folder that are replaced together, for example the weights, the config and the tokenizer of a model.
//
// All of them are first written next to their targets and synced. Then the old set is set aside, first its key file,
// without which no program reads the folder; the new files are put in place, the key file last; and the old ones are
// removed. If a step fails, the steps before it are undone, the last one first. A process that is killed leaves the old
// set, the new one, or a folder without the key file, and so does a step that can neither be made nor undone. Nothing is
// lost then: the names of the files say how far it was (temporary_names.h), and finish_interrupted_commit() goes on to the
// new set, or back to the old one if that was not yet aside.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/files.h"

namespace attune {

class FileSet {
 public:
  /// An empty set of files of a folder that exists.
  FileSet(std::string folder, std::string key);

  /// Adds a file that the caller writes. Throws IoError if it cannot be created.
  AtomicFile& add(const std::string& name);
  void add(const std::string& name, std::string_view text) { add(name).write(text); }
  /// A name that older sets may have. commit() removes the file unless this set has it.
  void supersede(const std::string& name);

  /// For a set that replaces nothing: throws Error if one of its files is there with other bytes, IoError if that cannot
  /// be seen.
  void refuse_to_replace() const;

  /// Replaces the files, once. Throws IoError; then the folder has its old files, or is as if the process had been killed
  /// if the system refuses that too. Calls after_step() wherever a process that is killed leaves the folder in another
  /// state, so that tests can end there.
  void commit(const std::function<void()>& after_step = [] {});

 private:
  std::string path_of(const std::string& name) const;
  /// The names of older sets that are there, the key first.
  std::vector<std::string> old_names() const;

  std::string folder_, key_;
  std::vector<std::pair<std::string, std::unique_ptr<AtomicFile>>> files_;
  std::vector<std::string> superseded_;
};

/// Whether a commit() of a set that had an older one was begun in a folder, if it exists, and not ended. Throws IoError.
bool has_interrupted_commit(const std::string& folder);
/// Ends a commit in a folder, if it exists, that a killed process has begun, and removes its temporaries. If there was no
/// older set, the files that this one would have replaced come back. No other process may write there now. Throws IoError;
/// it may be called again then.
void finish_interrupted_commit(const std::string& folder);

}  // namespace attune
