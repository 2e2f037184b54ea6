#include "engine/io/file_set.h"

#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace attune {

FileSet::FileSet(std::string folder, std::string key) : folder_(std::move(folder)), key_(std::move(key)) {}

std::string FileSet::path_of(const std::string& name) const {
  return (std::filesystem::path(folder_) / name).string();
}

AtomicFile& FileSet::add(const std::string& name) {
  return *files_.emplace_back(name, std::make_unique<AtomicFile>(path_of(name))).second;
}

void FileSet::supersede(const std::string& name) {
  superseded_.push_back(name);
}

FileSet::Files FileSet::old_files() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.insert(names.begin(), name);
  for (const std::string& name : superseded_)
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  Files out;
  for (const std::string& name : names) {
    const std::string path = path_of(name);
    std::error_code error;
    const bool exists = std::filesystem::exists(path, error);
    if (error) throw IoError(path, "cannot be examined: " + error.message());
    if (exists) out.emplace_back(name, std::make_unique<AtomicFile>(path));
  }
  return out;
}

void FileSet::commit(const std::function<void()>& after_step) {
  for (const auto& [name, file] : files_) check_replaceable(path_of(name));
  for (const std::string& name : superseded_) check_replaceable(path_of(name));
  const auto is_key = [this](const auto& file) { return file.first == key_; };
  std::stable_partition(files_.begin(), files_.end(), [&](const auto& file) { return !is_key(file); });
  CHECK(!files_.empty() && is_key(files_.back()), folder_, ": a set of files without its key file ", key_);
  Files old = old_files();
  std::size_t placed = 0;
  try {
    for (const auto& [name, file] : files_) {
      file->sync();
      after_step();
    }
    for (const auto& [name, file] : old) {
      file->set_aside();
      after_step();
    }
    for (const auto& [name, file] : files_) {
      ++placed;
      file->commit();
      after_step();
    }
  } catch (...) {
    // The key of the new set goes first, and that of the old one comes last.
    for (; placed > 0; --placed) unlink(files_[placed - 1].second->path().c_str());
    for (auto file = old.rbegin(); file != old.rend(); ++file) file->second->put_back();
    throw;
  }
  old.clear();
  after_step();
}

}  // namespace attune
