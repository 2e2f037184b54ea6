#include "engine/io/file_set.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/descriptor.h"
#include "engine/io/temporary_names.h"

namespace attune {
namespace {

void move_file(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) throw IoError(from, str_cat("cannot be moved: ", std::strerror(errno)));
}

// A file of the old set. Its destructor removes it if it is aside.
class OldFile {
 public:
  OldFile(std::string path, Mark mark) : path_(std::move(path)), aside_(marked_path(path_, mark)) {}
  ~OldFile() {
    if (is_aside_) unlink(aside_.c_str());
  }
  OldFile(const OldFile&) = delete;
  OldFile& operator=(const OldFile&) = delete;

  void set_aside() {
    move_file(path_, aside_);
    is_aside_ = true;
  }
  /// Only of a file that is aside.
  void rename_aside(Mark mark) {
    const std::string name = marked_path(path_, mark);
    move_file(aside_, name);
    aside_ = name;
  }
  /// A file that cannot be moved gets its name as a second one, and the destructor removes the first. If that fails too, it stays
  /// aside for finish_interrupted_commit().
  void put_back() noexcept {
    if (is_aside_) is_aside_ = rename(aside_.c_str(), path_.c_str()) != 0 && link(aside_.c_str(), path_.c_str()) == 0;
  }

 private:
  std::string path_, aside_;
  bool is_aside_ = false;
};

// The old set while a new one is put in place.
class OldSet {
 public:
  OldSet(std::string folder, bool has_key) : folder_(std::move(folder)), has_key_(has_key) {}

  /// The key comes first.
  void add(const std::string& path) {
    files_.push_back(std::make_unique<OldFile>(path, has_key_ && files_.empty() ? Mark::kOldKey : Mark::kOld));
  }
  void set_aside(const std::function<void()>& after_step) {
    for (const auto& file : files_) {
      file->set_aside();
      sync_folder(folder_);
      after_step();
    }
    if (!has_key_) return;
    files_.front()->rename_aside(Mark::kReplacedKey);
    sync_folder(folder_);
    after_step();
  }
  void remove() { files_.clear(); }
  /// After an error. `remove_new` removes the files of the new set that are in place.
  void put_back(const std::function<void()>& remove_new) noexcept {
    if (has_key_) {
      try {
        files_.front()->rename_aside(Mark::kOldKey);
      } catch (const IoError&) {  // it was not aside
      }
    }
    remove_new();
    for (auto file = files_.rbegin(); file != files_.rend(); ++file) (*file)->put_back();  // the key last
  }

 private:
  std::string folder_;
  bool has_key_;
  std::vector<std::unique_ptr<OldFile>> files_;
};

}  // namespace

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

std::vector<std::string> FileSet::old_names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.insert(names.begin(), name);
  for (const std::string& name : superseded_)
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  std::erase_if(names, [this](const std::string& name) {
    const std::string path = path_of(name);
    std::error_code error;
    const bool exists = std::filesystem::exists(path, error);
    if (error) throw IoError(path, "cannot be examined: " + error.message());
    return !exists;
  });
  return names;
}

void FileSet::refuse_to_replace() const {
  for (const auto& [name, file] : files_) file->refuse_to_replace();
}

void FileSet::commit(const std::function<void()>& after_step) {
  for (const auto& [name, file] : files_) check_replaceable(path_of(name));
  for (const std::string& name : superseded_) check_replaceable(path_of(name));
  const auto is_key = [this](const auto& file) { return file.first == key_; };
  std::stable_partition(files_.begin(), files_.end(), [&](const auto& file) { return !is_key(file); });
  CHECK(!files_.empty() && is_key(files_.back()), folder_, ": a set of files without its key file ", key_);
  // Nobody may take this for a commit that was killed (finish_set_without_key). It fails where the run has the lock already.
  const Descriptor lock(open_descriptor(folder_, O_RDONLY | O_DIRECTORY));
  if (lock.get() >= 0) flock(lock.get(), LOCK_EX | LOCK_NB);
  const std::vector<std::string> names = old_names();
  OldSet old(folder_, !names.empty() && names.front() == key_);
  for (const std::string& name : names) old.add(path_of(name));
  std::size_t placed = 0;
  try {
    for (const auto& [name, file] : files_) {
      file->sync();
      after_step();
    }
    old.set_aside(after_step);
    for (const auto& [name, file] : files_) {
      ++placed;
      file->commit();
      after_step();
    }
  } catch (...) {
    // The key of the new set goes first, and that of the old one comes last.
    old.put_back([&] {
      for (; placed > 0; --placed) unlink(files_[placed - 1].second->path().c_str());
    });
    throw;
  }
  old.remove();
  after_step();
}

bool has_interrupted_commit(const std::string& folder) {
  if (access(folder.c_str(), F_OK) != 0) return false;
  return std::ranges::any_of(files_of(folder), [](const std::string& name) {
    const std::optional<MarkedName> marked = parse_marked_name(name);
    return marked && (marked->mark == Mark::kOldKey || marked->mark == Mark::kReplacedKey);
  });
}

void finish_interrupted_commit(const std::string& folder) {
  if (access(folder.c_str(), F_OK) != 0) return;
  const auto path_of = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
  std::map<Mark, std::map<std::string, std::string>> marked;  // the files of each mark, by what they stand for
  for (const std::string& name : files_of(folder))
    if (const std::optional<MarkedName> parsed = parse_marked_name(name)) marked[parsed->mark][parsed->target] = name;
  // Moves the files of a mark to their places, the key last.
  const auto put_in_place = [&](Mark mark, const std::string& key, const std::string& key_file) {
    for (const auto& [target, name] : marked[mark])
      if (target != key) move_file(path_of(name), path_of(target));
    sync_folder(folder);
    move_file(path_of(key_file), path_of(key));
    sync_folder(folder);
  };
  for (const Mark mark : {Mark::kReplacedKey, Mark::kOldKey})
    for (const auto& [key, name] : marked[mark]) {
      if (std::filesystem::exists(path_of(key))) continue;  // the new set is complete, or the old one was put back
      const auto new_key = marked[Mark::kNew].find(key);
      if (mark == Mark::kReplacedKey && new_key != marked[Mark::kNew].end())
        put_in_place(Mark::kNew, key, new_key->second);
      else
        put_in_place(Mark::kOld, key, name);
    }
  remove_temporaries(folder);
}

}  // namespace attune
