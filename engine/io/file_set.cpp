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
  OldFile(std::string path, Mark mark) : path_(std::move(path)), aside_(marked_path(path_, mark)), at_(&path_) {}
  ~OldFile() {
    if (is_aside() && !left_) unlink(at_->c_str());
  }
  OldFile(const OldFile&) = delete;
  OldFile& operator=(const OldFile&) = delete;

  void set_aside() {
    move_file(path_, aside_);
    at_ = &aside_;
  }
  /// Of a file that is aside: gives it another name there, which must live as long as the object.
  void rename_aside(const std::string& name) {
    move_file(*at_, name);
    at_ = &name;
  }
  /// Undoes rename_aside(). False if the system refuses it.
  bool undo_rename() noexcept {
    if (is_aside() && at_ != &aside_ && move_to_free_name(*at_, aside_)) at_ = &aside_;
    return !is_aside() || at_ == &aside_;
  }
  /// False if the system refuses it.
  bool put_back() noexcept {
    if (is_aside() && move_to_free_name(*at_, path_)) at_ = &path_;
    return !is_aside();
  }
  /// The destructor leaves the file where it is.
  void leave() noexcept { left_ = true; }

 private:
  bool is_aside() const { return at_ != &path_; }

  std::string path_, aside_;
  const std::string* at_;  // its name now
  bool left_ = false;
};

// The old set while a new one is put in place. What undoes a step needs no memory.
class OldSet {
 public:
  /// The key comes first, if the set has it.
  OldSet(std::string folder, const std::vector<std::string>& paths, bool has_key)
      : folder_(std::move(folder)), replaced_key_(has_key ? marked_path(paths.front(), Mark::kReplacedKey) : "") {
    for (const std::string& path : paths)
      files_.push_back(std::make_unique<OldFile>(path, has_key && files_.empty() ? Mark::kOldKey : Mark::kOld));
  }

  bool has_key() const { return !replaced_key_.empty(); }
  void set_aside(const std::function<void()>& after_step) {
    for (const auto& file : files_) {
      file->set_aside();
      sync_folder(folder_);
      after_step();
    }
    if (!has_key()) return;
    files_.front()->rename_aside(replaced_key_);
    sync_folder(folder_);
    after_step();
  }
  void remove() { files_.clear(); }
  /// False if the system refuses that: then the key is still aside, under a name that says how far it was.
  bool put_back() noexcept {
    if (has_key() && !files_.front()->undo_rename()) return false;
    return std::all_of(files_.rbegin(), files_.rend(), [](const auto& file) { return file->put_back(); });
  }
  void leave() noexcept {
    for (const auto& file : files_) file->leave();
  }

 private:
  std::string folder_, replaced_key_;
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
  std::vector<std::string> paths = old_names();
  const bool has_key = !paths.empty() && paths.front() == key_;
  for (std::string& path : paths) path = path_of(path);
  OldSet old(folder_, paths, has_key);
  std::size_t placed = 0;
  // Step by step backwards: a process that is killed meanwhile leaves what one that is killed in commit() leaves.
  const auto undo = [&]() noexcept {
    for (; placed > 0; --placed)
      if (!files_[placed - 1].second->take_back()) return false;
    return old.put_back();
  };
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
    if (!undo()) {  // nor do the destructors go on
      old.leave();
      for (const auto& [name, file] : files_) file->leave();
    }
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
  // A set without an older one replaces files of others. They come back unless its key, the last of its files, is in place.
  if (marked[Mark::kReplacedKey].empty() && marked[Mark::kOldKey].empty() && !marked[Mark::kNew].empty()) {
    for (const auto& [target, name] : marked[Mark::kOld]) move_file(path_of(name), path_of(target));
    sync_folder(folder);
  }
  remove_temporaries(folder);
}

}  // namespace attune
