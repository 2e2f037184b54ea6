#include "engine/io/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mapped_files.h"
#include "engine/io/sha256.h"
#include "engine/io/temporary_names.h"

namespace attune {
namespace {

// A file that did not exist before, with the permissions that the process gives to new files. `path` becomes the name
// of a temporary.
int open_temporary(std::string& path) {
  const std::string target = path;
  for (int tries = 0; tries < 100; ++tries) {
    path = marked_path(target, Mark::kNew);
    const int fd = open_descriptor(path, O_RDWR | O_CREAT | O_EXCL, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

std::string folder_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(path_), fd_(open_temporary(temporary_)) {
  if (fd_.get() < 0) fail("cannot be created");
}

AtomicFile::~AtomicFile() {
  if (!in_place_ && removed_at_end_) unlink(temporary_.c_str());
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
  check_mapped_files();
  if (sync_descriptor(fd_.get()) != 0) fail("cannot be written to disk");
}

void AtomicFile::refuse_to_replace() const {
  const Descriptor there(open_descriptor(path_, O_RDONLY | O_NONBLOCK));  // a FIFO would block
  if (there.get() < 0 && errno == ENOENT) return;
  if (there.get() < 0) fail("cannot be examined");
  const auto digest_of = [&](int fd) {
    struct stat info {};
    if (fstat(fd, &info) != 0) fail("cannot be examined");
    Sha256 sha;
    if (S_ISREG(info.st_mode) && !read_blocks(fd, 0, static_cast<std::size_t>(info.st_size),
                                              [&](std::span<const std::byte> block) { sha.update(block); }))
      throw IoError(path_, read_failure(errno));
    return sha.hex();
  };
  CHECK(digest_of(there.get()) == digest_of(fd_.get()), path_,
        ": is there with other contents and is not replaced; remove it, or name another folder");
}

void AtomicFile::commit() {
  sync();
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  in_place_ = true;
  fd_.reset(-1);
  sync_folder(folder_of(path_));
}

bool AtomicFile::take_back() noexcept {
  if (in_place_) in_place_ = !move_to_free_name(path_, temporary_);
  return !in_place_;
}

bool move_to_free_name(const std::string& from, const std::string& to) noexcept {
  if (rename(from.c_str(), to.c_str()) == 0) return true;
  return link(from.c_str(), to.c_str()) == 0 && unlink(from.c_str()) == 0;
}

std::vector<std::string> files_of(const std::string& folder) {
  const auto fail = [&] { throw IoError(folder, std::string("cannot be listed: ") + std::strerror(errno)); };
  const std::unique_ptr<DIR, CloseFolder> open(opendir(folder.c_str()));
  if (!open) fail();
  std::vector<std::string> out;
  for (;;) {
    errno = 0;
    const dirent* file = readdir(open.get());
    if (file == nullptr) break;
    const std::string_view name = file->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  if (errno != 0) fail();
  return out;
}

bool is_folder(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!status_known(status)) throw IoError(path, "cannot be examined: " + error.message());
  return is_directory(status);
}

void sync_folder(const std::string& path) {
  const Descriptor folder(open_descriptor(path, O_RDONLY | O_DIRECTORY));
  const bool synced = folder.get() >= 0 && sync_descriptor(folder.get()) == 0;
  // A folder that may not be read, and file systems that cannot do it, are no failures of the disk.
  if (!synced && errno != EACCES && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
    throw IoError(path, std::string("the folder cannot be written to disk: ") + std::strerror(errno));
}

void check_replaceable(const std::string& path) {
  std::error_code error;  // what cannot be examined is reported when the file is put there
  if (std::filesystem::is_directory(path, error)) throw IoError(path, "is a folder, where a file is to be written");
}

void check_room(const std::string& folder, std::uint64_t total, std::uint64_t largest) {
  // What is needed is rounded up, what is there down.
  const auto needed = [](std::uint64_t bytes) { return str_cat((bytes + 999'999) / 1'000'000, " MB"); };
  const auto there = [](std::uint64_t bytes) { return str_cat(bytes / 1'000'000, " MB"); };
  std::error_code error;  // what cannot be examined is reported when the files are written; some systems say 0
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (!error && space.capacity > 0 && space.available < total)
    throw IoError(folder, str_cat("files of ", needed(total), " will be saved, but the disk has only ",
                                  there(space.available), " free"));
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < largest)
    throw IoError(folder, str_cat("a file of ", needed(largest), " will be saved, but the limit on the size of files ",
                                  "(ulimit -f) is ", there(limit.rlim_cur)));
}

void write_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void remove_temporaries(const std::string& folder, std::chrono::seconds age) {
  if (access(folder.c_str(), F_OK) != 0) return;
  for (const std::string& name : files_of(folder)) {
    const std::optional<MarkedName> marked = parse_marked_name(name);
    // The time of an old file does not say when it was set aside.
    if (!marked || (age.count() != 0 && marked->mark != Mark::kNew)) continue;
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::error_code error;  // a file that cannot be removed does no harm
    if (!is_regular_file(path, error)) continue;
    const auto now = std::filesystem::file_time_type::clock::now();
    if (age.count() == 0 || last_write_time(path, error) < now - age) std::filesystem::remove(path, error);
  }
}

void create_folders(const std::string& path) {
  std::error_code error;
  std::vector<std::filesystem::path> made;
  for (std::filesystem::path at = path; !at.empty() && !std::filesystem::exists(at, error) && !error;
       at = at.parent_path())
    made.push_back(at);
  std::filesystem::create_directories(path, error);
  if (error) throw IoError(path, "the folder cannot be created: " + error.message());
  for (const std::filesystem::path& folder : made) sync_folder(folder_of(folder.string()));
}

void prepare_output_folder(const std::string& path) {
  create_folders(path);
  if (access(path.c_str(), W_OK | X_OK) != 0)
    throw IoError(path, str_cat("no file can be created in the folder: ", std::strerror(errno)));
}

}  // namespace attune
