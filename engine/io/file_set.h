// Files of one folder that are replaced together, for example the weights, the config and the tokenizer of a model.
//
// All of them are first written next to their targets and synced. Then the set's key file, without which no program
// reads the folder, is removed; the other files are put in place; files of older sets are removed; and the new key file
// is put in place. A process that is killed at any moment leaves the old set, the new one, or a folder without the key
// file.
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

  /// Replaces the files. Throws IoError; nothing has changed if a folder is in the place of a file.
  void commit();
  /// The steps of commit(), in order: a process that is killed has done the first few.
  std::vector<std::function<void()>> steps();

 private:
  std::string path_of(const std::string& name) const;
  /// Removes a file of the folder if it is there. Throws IoError.
  void remove(const std::string& name) const;

  std::string folder_, key_;
  std::vector<std::pair<std::string, std::unique_ptr<AtomicFile>>> files_;
  std::vector<std::string> superseded_;
};

}  // namespace attune
