// Files of one folder that are replaced together, for example the weights, the config and the tokenizer of a model.
//
// All of them are first written next to their targets and synced. Then the old set is set aside, first its key file,
// without which no program reads the folder; the new files are put in place, the key file last; and the old ones are
// removed. A process that is killed at any moment leaves the old set, the new one, or a folder without the key file. If
// a step fails, the old set is put back.
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

  /// Replaces the files, once. Throws IoError; then the folder has its old files. Calls after_step() wherever a process
  /// that is killed leaves the folder in another state, so that tests can end there.
  void commit(const std::function<void()>& after_step = [] {});

 private:
  using Files = std::vector<std::pair<std::string, std::unique_ptr<AtomicFile>>>;
  std::string path_of(const std::string& name) const;
  /// The files of older sets that are there, the key first, each with the name that it will be set aside under.
  Files old_files() const;

  std::string folder_, key_;
  Files files_;
  std::vector<std::string> superseded_;
};

}  // namespace attune
