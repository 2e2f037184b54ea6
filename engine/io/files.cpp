#include "engine/io/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// The name of a temporary: the target's, this mark, and six letters from a to z.
constexpr std::string_view kMark = ".attune-temporary-";
constexpr std::size_t kLetters = 6;

// A file that did not exist before, with the permissions that the process gives to new files. `path` becomes the name
// of a temporary.
int open_temporary(std::string& path) {
  const std::size_t at = path.size() + kMark.size();
  path.append(kMark).append(kLetters, 'a');
  std::random_device random;
  for (int tries = 0; tries < 100; ++tries) {
    for (std::size_t i = at; i < path.size(); ++i) path[i] = static_cast<char>('a' + random() % 26);
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

bool is_name_of_temporary(std::string_view name) {
  if (name.size() <= kMark.size() + kLetters) return false;
  const std::string_view letters = name.substr(name.size() - kLetters);
  name.remove_suffix(kLetters);
  return name.ends_with(kMark) && std::ranges::all_of(letters, [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string folder_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(path_), fd_(open_temporary(temporary_)) {
  if (fd_.get() < 0) fail("cannot be created");
}

AtomicFile::~AtomicFile() {
  if (fd_.get() >= 0) unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) const {
  throw IoError(path_, str_cat(what, ": ", std::strerror(errno)));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (!write_all(fd_.get(), bytes)) fail("cannot be written");
}

void AtomicFile::write_at(std::size_t offset, std::string_view text) {
  if (!write_all(fd_.get(), std::as_bytes(std::span(text)), static_cast<std::ptrdiff_t>(offset)))
    fail("cannot be written");
}

void AtomicFile::sync() {
  if (fsync(fd_.get()) != 0) fail("cannot be written to disk");
}

void AtomicFile::commit() {
  sync();
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  fd_.reset(-1);
  sync_folder(folder_of(path_));
}

void sync_folder(const std::string& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) fsync(folder.get());
}

void check_replaceable(const std::string& path) {
  std::error_code error;  // what cannot be examined is reported when the file is put there
  if (std::filesystem::is_directory(path, error)) throw IoError(path, "is a folder, where a file is to be written");
}

void check_room(const std::string& folder, std::uint64_t total, std::uint64_t largest) {
  const auto megabytes = [](std::uint64_t bytes) { return str_cat((bytes + 999'999) / 1'000'000, " MB"); };
  std::error_code error;  // what cannot be examined is reported when the files are written; some systems say 0
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (!error && space.capacity > 0 && space.available < total)
    throw IoError(folder, str_cat("files of ", megabytes(total), " will be saved, but the disk has only ",
                                  megabytes(space.available), " free"));
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < largest)
    throw IoError(folder,
                  str_cat("a file of ", megabytes(largest), " will be saved, but the limit on the size of files ",
                          "(ulimit -f) is ", megabytes(limit.rlim_cur)));
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void remove_temporaries(const std::string& folder, std::chrono::seconds age) {
  std::error_code error;  // a file that cannot be removed does no harm
  std::filesystem::directory_iterator at(folder, error), end;
  for (std::error_code ignored; !error && at != end; at.increment(error)) {
    if (!is_name_of_temporary(at->path().filename().string()) || !at->is_regular_file(ignored)) continue;
    const auto now = std::filesystem::file_time_type::clock::now();
    if (age.count() == 0 || at->last_write_time(ignored) < now - age) std::filesystem::remove(at->path(), ignored);
  }
}

void create_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw IoError(path, "the folder cannot be created: " + error.message());
}

void prepare_output_folder(const std::string& path) {
  create_folders(path);
  if (access(path.c_str(), W_OK | X_OK) != 0)
    throw IoError(path, str_cat("no file can be created in the folder: ", std::strerror(errno)));
}

}  // namespace attune
