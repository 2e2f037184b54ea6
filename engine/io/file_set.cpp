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

std::vector<std::function<void()>> FileSet::steps() {
  const auto is_key = [this](const auto& file) { return file.first == key_; };
  std::stable_partition(files_.begin(), files_.end(), [&](const auto& file) { return !is_key(file); });
  CHECK(!files_.empty() && is_key(files_.back()), folder_, ": a set of files without its key file ", key_);
  // The old files, the key first.
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.insert(names.begin(), name);
  for (const std::string& name : superseded_)
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  for (const std::string& name : names) {
    const std::string path = path_of(name);
    std::error_code error;
    const bool exists = std::filesystem::exists(path, error);
    if (error) throw IoError(path, "cannot be examined: " + error.message());
    if (exists) old_.emplace_back(name, std::make_unique<AtomicFile>(path));
  }

  std::vector<std::function<void()>> out;
  for (const auto& [name, file] : files_) out.emplace_back([&each = *file] { each.sync(); });
  for (const auto& [name, file] : old_) out.emplace_back([&each = *file] { each.set_aside(); });
  for (const auto& [name, file] : files_)
    out.emplace_back([this, &each = *file] {
      ++placed_;
      each.commit();
    });
  out.emplace_back([this] { old_.clear(); });
  return out;
}

void FileSet::commit() {
  for (const auto& [name, file] : files_) check_replaceable(path_of(name));
  for (const std::string& name : superseded_) check_replaceable(path_of(name));
  try {
    for (const std::function<void()>& step : steps()) step();
  } catch (...) {
    undo();
    throw;
  }
}

void FileSet::undo() noexcept {
  // The key of the new set goes first, and that of the old one comes last.
  for (; placed_ > 0; --placed_) unlink(files_[placed_ - 1].second->path().c_str());
  for (auto file = old_.rbegin(); file != old_.rend(); ++file) file->second->put_back();
}

}  // namespace attune
