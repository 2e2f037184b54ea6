#include "base/mapped_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string_view>

#include "base/check.h"
#include "base/descriptor.h"
#include "base/printable.h"

namespace attune {
namespace {

// Fixed memory: the signal handler cannot allocate any, and reads it without the mutex. Free if `begin` is null.
struct MappedFile {
  std::atomic<const std::byte*> begin{nullptr};
  std::atomic<std::size_t> bytes{0};
  std::array<char, 512> line{};
  Descriptor file;
  std::string name;
};
static_assert(std::atomic<const std::byte*>::is_always_lock_free);

struct MappedFiles {
  std::array<MappedFile, 64> files;  // a run has some ten
  std::mutex mutex;
};
// Never destroyed: mappings in static storage may outlive any order of destruction.
MappedFiles* const mapped = new MappedFiles;

void on_bus_error(int signal, siginfo_t* info, void*) {
  const auto* at = static_cast<const std::byte*>(info->si_addr);
  for (const MappedFile& file : mapped->files) {
    const std::byte* begin = file.begin;
    if (begin == nullptr || at < begin || at >= begin + file.bytes) continue;
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, file.line.data(), std::strlen(file.line.data()));
    _exit(1);
  }
  std::signal(signal, SIG_DFL);  // not ours: the access is repeated and ends the program
}

void handle_bus_errors() {
  static const bool handled = [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGBUS, &action, nullptr) == 0;
  }();
  static_cast<void>(handled);
}

}  // namespace

void add_mapped_file(const std::byte* begin, std::size_t bytes, int file, const std::string& name) {
  handle_bus_errors();
  const std::scoped_lock lock(mapped->mutex);
  for (MappedFile& free : mapped->files) {
    if (free.begin != nullptr) continue;
    free.name = name;
    free.file.reset(copy_descriptor(file));
    if (free.file.get() < 0) throw IoError(name, std::string("cannot be opened again: ") + std::strerror(errno));
    std::snprintf(free.line.data(), free.line.size(),
                  "%s: error: %s: was cut while it was in use, or the disk cannot read it\n",
                  program_invocation_short_name, printable(name, 300).c_str());
    free.bytes = bytes;
    free.begin = begin;
    return;
  }
  throw IoError(name, str_cat("cannot be mapped: ", mapped->files.size(), " files are mapped already"));
}

void remove_mapped_file(const std::byte* begin) {
  const std::scoped_lock lock(mapped->mutex);
  for (MappedFile& file : mapped->files)
    if (file.begin == begin) {
      file.begin = nullptr;
      file.file.reset(-1);
    }
}

void check_mapped_files() {
  const std::scoped_lock lock(mapped->mutex);
  for (const MappedFile& file : mapped->files) {
    if (file.begin == nullptr) continue;
    struct stat info {};
    if (fstat(file.file.get(), &info) != 0)
      throw IoError(file.name, std::string("cannot be examined: ") + std::strerror(errno));
    if (static_cast<std::size_t>(info.st_size) < file.bytes) throw IoError(file.name, "was cut while it was in use");
  }
}

}  // namespace attune
