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

/// A temporary file next to its target: a file in the making, or an old one that was set aside. The destructor removes
/// the temporary, unless commit() or put_back() came first.
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
  /// Syncs, renames over the target, and syncs the folder. Throws IoError if any of it fails.
  void commit();

  // Instead of write() and commit(), for a file that others are to replace:
  /// Moves the file at path(), if there is one, to the name of the temporary. From then on the destructor removes it.
  /// Throws IoError, also after the move if that cannot be synced; put_back() is right in either case.
  void set_aside();
  /// Moves a file that was set aside back to path(), over what is there now; nothing if none was. If it cannot be moved,
  /// it stays under the name of the temporary.
  void put_back() noexcept;

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_, temporary_;
  Descriptor fd_;
  bool aside_ = false;
};

/// Writes a whole file atomically.
void write_file(const std::string& path, std::string_view text);
/// Removes the temporaries that killed processes have left in a folder, if it exists, where no other process writes now.
/// In a folder where others may write: those that nothing was written to for `age`.
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
