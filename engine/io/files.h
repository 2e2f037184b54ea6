// Files written atomically: bytes go to a temporary file in the same folder, which is synced and renamed over the
// target only when everything has been written. A failure at any point leaves what was there before and no temporary; a
// process that is killed leaves its temporary, which remove_temporaries() finds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/read_file.h"

namespace attune {

/// A file in the making, next to its target. The destructor removes it, unless commit() or leave() came first.
class AtomicFile {
 public:
  /// Opens a temporary file in the folder of `path`. Throws IoError if the folder is missing or not writable.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends. Throws IoError naming the target (disk full, for one).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  const std::string& path() const { return path_; }
  /// Replaces bytes that were written before. Throws IoError.
  void write_at(std::size_t offset, std::string_view text);
  /// Forces what was written so far to the disk. So, among several files, none is renamed before all are safe. Throws
  /// IoError, also if a mapped file was cut (base/mapped_files.h).
  void sync();
  /// Throws Error if the target is there with other bytes than those written so far; IoError if it cannot be read.
  void refuse_to_replace() const;
  /// Syncs, renames over the target, and syncs the folder. Throws IoError if any of it fails.
  void commit();
  /// Undoes a commit() that replaced no file, also one that has thrown: the file is in the making again, and closed. False
  /// if the system refuses that.
  bool take_back() noexcept;
  /// The destructor leaves the file where it is.
  void leave() noexcept { removed_at_end_ = false; }

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_, temporary_;
  Descriptor fd_;
  bool in_place_ = false, removed_at_end_ = true;
};

/// Writes a whole file atomically.
void write_file(const std::string& path, std::string_view text);
/// Gives a file another name, which no file has: renames it or, if the system refuses that, links it and removes the first
/// name. False if it has the first name still.
bool move_to_free_name(const std::string& from, const std::string& to) noexcept;
/// Removes the temporaries that killed processes have left in a folder, if it exists, where no other process writes now
/// (finish_interrupted_commit() comes first: an old file that was set aside is a temporary too). In a folder where others
/// may write: files in the making that nothing was written to for `age`.
void remove_temporaries(const std::string& folder, std::chrono::seconds age = {});
/// Creates a folder and its parents if missing. Throws IoError.
void create_folders(const std::string& path);
/// Names of all files of a folder, in no order. Throws IoError.
std::vector<std::string> files_of(const std::string& folder);
/// Whether a folder is at `path`. Throws IoError if that cannot be seen.
bool is_folder(const std::string& path);
/// Forces the names of a folder's files to the disk, if the file system can do that. Throws IoError if the disk fails.
void sync_folder(const std::string& path);
/// Throws IoError if a file cannot be put at or removed from `path` because a folder is there.
void check_replaceable(const std::string& path);
/// Throws IoError if files of `total` bytes, the largest of `largest` bytes, cannot be written to a folder: the disk has
/// no room for them, or the process has a limit on the size of files (ulimit -f).
void check_room(const std::string& folder, std::uint64_t total, std::uint64_t largest);
/// create_folders, and checks that files can be created there, before hours of work and not after. Throws IoError.
void prepare_output_folder(const std::string& path);

}  // namespace attune
