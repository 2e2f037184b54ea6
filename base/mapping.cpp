#include "base/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace attune {
namespace {

// What the signal handler knows of a mapping; it cannot allocate memory. Free if `begin` is null.
struct Known {
  std::atomic<const std::byte*> begin{nullptr};
  std::atomic<std::size_t> bytes{0};
  std::array<char, 512> line{};
};
static_assert(std::atomic<const std::byte*>::is_always_lock_free);
std::array<Known, 64> known{};  // a run has some ten mappings; more than 64 have no name in the error

void on_bus_error(int signal, siginfo_t* info, void*) {
  const auto* at = static_cast<const std::byte*>(info->si_addr);
  for (const Known& mapping : known) {
    const std::byte* begin = mapping.begin;
    if (begin == nullptr || at < begin || at >= begin + mapping.bytes) continue;
    [[maybe_unused]] const ssize_t written =
        write(STDERR_FILENO, mapping.line.data(), std::strlen(mapping.line.data()));
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

Mapping::Mapping(int file, std::size_t bytes, const std::string& name) : data_(nullptr), bytes_(bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  if (mapped == MAP_FAILED)
    throw IoError(name, str_cat(bytes, " bytes of the file cannot be mapped: ", std::strerror(errno)));
  data_ = static_cast<const std::byte*>(mapped);
  handle_bus_errors();
  for (Known& free : known) {
    const std::byte* none = nullptr;
    if (!free.begin.compare_exchange_strong(none, data_)) continue;
    std::snprintf(free.line.data(), free.line.size(),
                  "%s: error: %s: was cut while it was in use, or the disk cannot read it\n",
                  program_invocation_short_name, name.c_str());
    free.bytes = bytes;
    break;
  }
}

Mapping::~Mapping() {
  for (Known& mapping : known)
    if (mapping.begin == data_) {
      mapping.bytes = 0;
      mapping.begin = nullptr;
    }
  munmap(const_cast<std::byte*>(data_), bytes_);
}

}  // namespace attune
