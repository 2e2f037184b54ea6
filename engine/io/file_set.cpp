#include "engine/io/file_set.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

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

void FileSet::remove(const std::string& name) const {
  const std::string path = path_of(name);
  if (unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw IoError(path, std::string("cannot be removed: ") + std::strerror(errno));
  }
  sync_folder(folder_);
}

std::vector<std::function<void()>> FileSet::steps() {
  std::vector<std::function<void()>> out;
  const auto has = [this](const std::string& name) {
    return std::ranges::count(
               files_, name, [](const auto& f) -> auto& { return f.first; }) > 0;
  };
  CHECK(has(key_), folder_, ": a set of files without its key file ", key_);
  for (const auto& [name, file] : files_) out.emplace_back([&file] { file->sync(); });
  out.emplace_back([this] { remove(key_); });
  for (const auto& [name, file] : files_)
    if (name != key_) out.emplace_back([&file] { file->commit(); });
  for (const std::string& name : superseded_)
    if (!has(name)) out.emplace_back([this, &name] { remove(name); });
  for (const auto& [name, file] : files_)
    if (name == key_) out.emplace_back([&file] { file->commit(); });
  return out;
}

void FileSet::commit() {
  for (const auto& [name, file] : files_) check_replaceable(path_of(name));
  for (const std::string& name : superseded_) check_replaceable(path_of(name));
  for (const std::function<void()>& step : steps()) step();
}

}  // namespace attune
