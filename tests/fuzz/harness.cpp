#include "tests/fuzz/harness.h"

#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "base/check.h"

namespace attune::fuzz {
namespace {

std::size_t tensor_limit = 0, tensor_bytes = 0;  // 0: no limit

void check(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "fuzz: %s: %s\n", what, std::strerror(errno));
  std::abort();
}

// libFuzzer's -timeout is time of the clock, which passes quickly on a busy machine. So a timer of processor time looks
// once in a second whether the same input still runs: nothing to pay for each input. The first input fills tables.
constexpr int kMaxSeconds = 5;
std::atomic<std::uint64_t> inputs = 0;  // begun and ended: odd while one runs

void look(int /*signal*/) {
  static std::uint64_t seen = 0;
  static int seconds = 0;
  const std::uint64_t now = inputs;
  seconds = now == seen && now % 2 == 1 ? seconds + 1 : 0;
  seen = now;
  require(seconds < kMaxSeconds, "an input takes little processor time");
}

// libFuzzer's hooks of malloc and free, of which it wants only the numbers: it looks for a leak if an input makes more
// allocations than releases. It adds them up with atomic operations, 5 to 10 % of the time of a run. So the hooks count
// here, and tell it the result. It hears of allocations of 1 MiB and more, since -malloc_limit_mb limits those.
void (*their_malloc_hook)(const volatile void*, std::size_t) = nullptr;
void (*their_free_hook)(const volatile void*) = nullptr;
// Allocations of this input that were not released. Threads may lose one: it hides a leak in one execution at most.
std::atomic<std::int64_t> held = 0;
constexpr std::size_t kLarge = std::size_t{1} << 20;

void malloc_hook(const volatile void* at, std::size_t size) {
  held.store(held.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (size < kLarge) return;
  their_malloc_hook(at, size);
  their_free_hook(at);
}
void free_hook(const volatile void* /*at*/) {
  held.store(held.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

bool start_timer() {
  struct sigaction action {};
  action.sa_handler = look;
  action.sa_flags = SA_RESTART;
  const itimerval second = {.it_interval = {.tv_sec = 1, .tv_usec = 0}, .it_value = {.tv_sec = 1, .tv_usec = 0}};
  check(sigaction(SIGPROF, &action, nullptr) == 0 && setitimer(ITIMER_PROF, &second, nullptr) == 0, "a timer");
  return true;
}

// One of the faults that a run must find, for the check of the harness.
void fail_on_purpose(std::string_view fault) {
  static volatile int three = 3;
  static void* volatile kept = nullptr;
  if (fault == "overflow") {
    const std::vector<char> bytes(static_cast<std::size_t>(three));
    kept = reinterpret_cast<void*>(static_cast<std::uintptr_t>(bytes.data()[three]));
  } else if (fault == "exception") {
    throw std::logic_error("a fault on purpose");
  } else if (fault == "promise") {
    require(three != 3, "a promise broken on purpose");
  } else if (fault == "undefined") {
    three = three + 0x7FFFFFFF;
  } else if (fault == "leak") {
    kept = new char[100];
    kept = nullptr;
  } else if (fault == "memory") {
    kept = std::malloc(std::size_t{3} << 30);
    std::free(kept);
  } else if (fault == "time") {
    for (const std::clock_t begin = std::clock(); std::clock() < begin + 2 * kMaxSeconds * CLOCKS_PER_SEC;) {
    }
  } else {
    check(false, "ATTUNE_FUZZ_FAULT names no fault");
  }
}

}  // namespace

void accepted() {
  static const char* const fault = std::getenv("ATTUNE_FUZZ_FAULT");
  if (fault != nullptr) fail_on_purpose(fault);
}

void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: this does not hold: %s\n", promise);
  std::abort();
}

bool succeeds(const std::function<void()>& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    require(error.what()[0] != '\0', "an error has a message");
    return false;
  }
}

MemoryFile::MemoryFile() : fd_(memfd_create("input", MFD_CLOEXEC)) {
  check(fd_ >= 0, "a file in memory");
}
MemoryFile::~MemoryFile() {
  close(fd_);
}
std::string MemoryFile::path() const {
  return "/proc/self/fd/" + std::to_string(fd_);
}
void MemoryFile::replace(std::string_view bytes) {
  check(pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "a file in memory");
  if (bytes.size() < size_) check(ftruncate(fd_, static_cast<off_t>(bytes.size())) == 0, "a file in memory");
  size_ = bytes.size();
}

void MemoryFile::be_standard_input() const {
  const int opened = open(path().c_str(), O_RDONLY | O_CLOEXEC);
  check(opened >= 0 && dup2(opened, STDIN_FILENO) == STDIN_FILENO && close(opened) == 0, "standard input");
}

struct MemoryFolder::File {
  MemoryFile file = {};
  std::string link = {};
  bool there = false;
};

MemoryFolder::MemoryFolder(const std::vector<std::string>& names) : files_(names.size()) {
  const char* const parent = std::getenv("TMPDIR");
  path_ = std::string(parent == nullptr ? "/tmp" : parent) + "/fuzz-XXXXXX";
  check(mkdtemp(path_.data()) != nullptr, "a folder in TMPDIR");
  for (std::size_t i = 0; i < names.size(); ++i) {
    files_[i].link = path_ + "/" + names[i];
    std::filesystem::create_directories(std::filesystem::path(files_[i].link).parent_path());
  }
}

MemoryFolder::~MemoryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

void MemoryFolder::put(std::size_t name, std::string_view bytes) {
  File& file = files_[name];
  file.file.replace(bytes);
  if (file.there) return;
  check(symlink(file.file.path().c_str(), file.link.c_str()) == 0, "a link in TMPDIR");
  file.there = true;
}

void MemoryFolder::take_out(std::size_t name) {
  File& file = files_[name];
  if (file.there) check(unlink(file.link.c_str()) == 0, "a link in TMPDIR");
  file.there = false;
}

void limit_tensors(std::size_t bytes) {
  tensor_limit = bytes;
}

}  // namespace attune::fuzz

// An exception that leaves it ends the process.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) noexcept {
  using namespace attune::fuzz;
  [[maybe_unused]] static const bool timer = start_timer();
  tensor_bytes = 0;
  held = 0;
  ++inputs;
  succeeds([&] { run({reinterpret_cast<const char*>(data), size}); });
  ++inputs;
  if (held > 0 && their_malloc_hook != nullptr) their_malloc_hook(nullptr, 0);
  return 0;
}

// The linker sends these calls of product code here (--wrap in tests/fuzz/CMakeLists.txt).
extern "C" {

// The bytes between the end of a file and the end of its last page may not be read.
void* __real_mmap(void* at, std::size_t length, int protection, int flags, int fd, off_t offset);
void* __wrap_mmap(void* at, std::size_t length, int protection, int flags, int fd, off_t offset) {
  void* const mapped = __real_mmap(at, length, protection, flags, fd, offset);
  const std::size_t page = 4096, rest = (page - length % page) % page;
  if (mapped != MAP_FAILED && fd >= 0) __asan_poison_memory_region(static_cast<char*>(mapped) + length, rest);
  return mapped;
}
int __real_munmap(void* at, std::size_t length);
int __wrap_munmap(void* at, std::size_t length) {
  const std::size_t page = 4096, whole = (length + page - 1) / page * page;
  __asan_unpoison_memory_region(at, whole);
  return __real_munmap(at, length);
}

// libFuzzer registers its hooks here.
int __real___sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                     void (*free_hook)(const volatile void*));
int __wrap___sanitizer_install_malloc_and_free_hooks(void (*theirs)(const volatile void*, std::size_t),
                                                     void (*their_free)(const volatile void*)) {
  attune::fuzz::their_malloc_hook = theirs;
  attune::fuzz::their_free_hook = their_free;
  return __real___sanitizer_install_malloc_and_free_hooks(attune::fuzz::malloc_hook, attune::fuzz::free_hook);
}

// Tensors: operator new(size, alignment, nothrow).
void* __real__ZnwmSt11align_val_tRKSt9nothrow_t(std::size_t size, std::align_val_t align, const std::nothrow_t& tag);
void* __wrap__ZnwmSt11align_val_tRKSt9nothrow_t(std::size_t size, std::align_val_t align, const std::nothrow_t& tag) {
  using attune::fuzz::tensor_bytes, attune::fuzz::tensor_limit;
  if (tensor_limit != 0 && (size > tensor_limit || (tensor_bytes += size) > tensor_limit)) return nullptr;
  return __real__ZnwmSt11align_val_tRKSt9nothrow_t(size, align, tag);
}

}  // extern "C"
