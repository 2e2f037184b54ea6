// A library to preload (LD_PRELOAD) that makes one call of a program fail: every call in turn shows that none is
// forgotten. It counts calls by kind from the beginning of main() to its end.
//
//   ATTUNE_FAULT=KIND:K:ACTION   the K-th call of a kind; K+ is that one and all later ones
//   ATTUNE_FAULT_FOLDER=PATH     only files below this folder count; memory and threads always do
//   ATTUNE_FAULT_COUNTS=FILE     when main() ends, the number of calls of each kind is written here: "read 12"
//   ATTUNE_FAULT_HAPPENED=FILE   made when the call fails; a run with fewer calls than K does not make it
//
// KIND is a name of `kinds` below; `move` is rename and link together, so that a file can get no other name at all.
// ACTION is the name of an error (EIO, ENOSPC, ...), `short` (half of the bytes are read or written), or `cut` (somebody
// cuts the file to half its size at this moment).
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

enum Kind {
  kOpen,
  kRead,
  kWrite,
  kStat,
  kSync,
  kRename,
  kMove,
  kTruncate,
  kMkdir,
  kUnlink,
  kClose,
  kMap,
  kLock,
  kList,
  kMemory,
  kThread,
  kKinds
};
constexpr std::array<const char*, kKinds> kinds = {"open", "read",     "write",  "stat",   "sync",  "rename",
                                                   "move", "truncate", "mkdir",  "unlink", "close", "map",
                                                   "lock", "list",     "memory", "thread"};

struct ErrorName {
  const char* name;
  int value;
};
constexpr ErrorName kErrors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EINTR", EINTR},
                                 {"EACCES", EACCES}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM},
                                 {"EAGAIN", EAGAIN}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}};
constexpr int kShort = -1, kCut = -2;
constexpr int kMaxFiles = 4096;

std::atomic<bool> active{false};  // inside main()
std::array<std::atomic<long>, kKinds> counts{};
std::array<std::atomic<bool>, kMaxFiles> watched{};  // descriptors of files below the folder
int fault_kind = -1, fault_action = 0;
long fault_at = 0;
bool fault_lasts = false;
const char* folder = "";
const char* happened = nullptr;

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

void read_request() {
  if (const char* path = std::getenv("ATTUNE_FAULT_FOLDER")) folder = path;
  happened = std::getenv("ATTUNE_FAULT_HAPPENED");
  const char* text = std::getenv("ATTUNE_FAULT");
  if (text == nullptr) return;
  const std::string_view request = text;
  const auto first = request.find(':'), second = request.rfind(':');
  for (int kind = 0; kind < kKinds; ++kind)
    if (request.substr(0, first) == kinds[static_cast<std::size_t>(kind)]) fault_kind = kind;
  char* end = nullptr;
  fault_at = std::strtol(text + first + 1, &end, 10);
  fault_lasts = *end == '+';
  const std::string_view action = request.substr(second + 1);
  fault_action = action == "short" ? kShort : action == "cut" ? kCut : 0;
  for (const ErrorName& error : kErrors)
    if (action == error.name) fault_action = error.value;
  if (fault_kind < 0 || fault_at < 1 || fault_action == 0) {
    std::fprintf(stderr, "fault shim: ATTUNE_FAULT=%s is not understood\n", text);
    _exit(99);
  }
}

// Counts a call. What is to happen to it: 0 nothing, an error number, kShort or kCut.
int next(Kind kind) {
  if (!active) return 0;
  const long count = ++counts[static_cast<std::size_t>(kind)];
  if (kind != fault_kind || (count != fault_at && !(fault_lasts && count > fault_at))) return 0;
  if (happened != nullptr && count == fault_at)
    syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, happened, O_CREAT | O_WRONLY, 0600));
  return fault_action;
}

// True, and errno, if the call is to fail.
bool fails(Kind kind) {
  const int action = next(kind);
  if (action > 0) errno = action;
  return action > 0;
}

bool below_folder(const char* path) {
  if (path == nullptr || *folder == '\0') return false;
  const std::size_t length = std::strlen(folder);
  return std::strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool is_watched(int fd) {
  return fd >= 0 && fd < kMaxFiles && watched[static_cast<std::size_t>(fd)];
}
int watch(int fd, bool below) {
  if (fd >= 0 && fd < kMaxFiles) watched[static_cast<std::size_t>(fd)] = below;
  return fd;
}

// Halves the file of a descriptor, whatever it was opened for.
void cut(int fd) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  struct stat info {};
  if (syscall(SYS_newfstatat, fd, "", &info, AT_EMPTY_PATH) == 0) syscall(SYS_truncate, path, info.st_size / 2);
}

// The number of bytes that a call may move; -1: it fails.
ssize_t allowed(Kind kind, int fd, std::size_t bytes) {
  if (!is_watched(fd)) return static_cast<ssize_t>(bytes);
  const int action = next(kind);
  if (action > 0) errno = action;
  if (action == kCut) cut(fd);
  return action > 0 ? -1 : static_cast<ssize_t>(action == kShort && bytes > 1 ? bytes / 2 : bytes);
}

int open_file(int at, const char* path, int flags, mode_t mode) {
  const bool below = below_folder(path);
  if (below && fails(kOpen)) return -1;
  return watch(static_cast<int>(syscall(SYS_openat, at, path, flags, mode)), below);
}

int (*program_main)(int, char**, char**);

int counted_main(int argc, char** argv, char** environment) {
  read_request();
  active = true;
  const int code = program_main(argc, argv, environment);
  active = false;
  if (const char* path = std::getenv("ATTUNE_FAULT_COUNTS")) {
    if (std::FILE* out = std::fopen(path, "w")) {
      for (std::size_t kind = 0; kind < kKinds; ++kind) std::fprintf(out, "%s %ld\n", kinds[kind], counts[kind].load());
      std::fclose(out);
    }
  }
  return code;
}

bool no_memory() {
  return fails(kMemory);
}

}  // namespace

extern "C" {

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(), void (*fini)(),
                      void (*rtld_fini)(), void* stack_end) {
  program_main = main;
  return real<int (*)(int (*)(int, char**, char**), int, char**, void (*)(), void (*)(), void (*)(), void*)>(
      "__libc_start_main")(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

// Memory.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t bytes) noexcept {
  return no_memory() ? nullptr : __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  return no_memory() ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* block, std::size_t bytes) noexcept {
  return no_memory() ? nullptr : __libc_realloc(block, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return no_memory() ? nullptr : __libc_memalign(alignment, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return no_memory() ? nullptr : __libc_memalign(alignment, bytes);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
  if (no_memory()) return ENOMEM;
  *block = __libc_memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}

// Files. `below`: the file is below the folder; the descriptors of such files are watched.
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>((flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, int) : 0);
  va_end(rest);
  return open_file(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>((flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, int) : 0);
  va_end(rest);
  return open_file(at, path, flags, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  const bool below = below_folder(path);
  if (below && fails(kOpen)) return nullptr;
  FILE* file = real<FILE* (*)(const char*, const char*)>("fopen64")(path, mode);
  if (file != nullptr) watch(fileno(file), below);
  return file;
}
int memfd_create(const char* name, unsigned flags) noexcept {
  if (fails(kOpen)) return -1;
  return watch(static_cast<int>(syscall(SYS_memfd_create, name, flags)), true);
}
int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  const bool copied = command == F_DUPFD_CLOEXEC && is_watched(fd);
  if (copied && fails(kOpen)) return -1;
  const auto result = static_cast<int>(syscall(SYS_fcntl, fd, command, argument));
  return copied ? watch(result, true) : result;
}
int close(int fd) {
  const bool failed = is_watched(fd) && fails(kClose);
  watch(fd, false);
  const auto result = static_cast<int>(syscall(SYS_close, fd));  // a failed close has closed it all the same
  return failed ? -1 : result;
}
int fclose(FILE* file) {
  const bool failed = is_watched(fileno(file)) && fails(kClose);
  watch(fileno(file), false);
  const int error = errno, result = real<int (*)(FILE*)>("fclose")(file);
  if (failed) errno = error;
  return failed ? EOF : result;
}
ssize_t read(int fd, void* to, std::size_t bytes) {
  const ssize_t n = allowed(kRead, fd, bytes);
  return n < 0 ? n : syscall(SYS_read, fd, to, n);
}
ssize_t pread(int fd, void* to, std::size_t bytes, off_t at) {
  const ssize_t n = allowed(kRead, fd, bytes);
  return n < 0 ? n : syscall(SYS_pread64, fd, to, n, at);
}
ssize_t write(int fd, const void* from, std::size_t bytes) {
  const ssize_t n = allowed(kWrite, fd, bytes);
  return n < 0 ? n : syscall(SYS_write, fd, from, n);
}
ssize_t pwrite(int fd, const void* from, std::size_t bytes, off_t at) {
  const ssize_t n = allowed(kWrite, fd, bytes);
  return n < 0 ? n : syscall(SYS_pwrite64, fd, from, n, at);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  const ssize_t n = allowed(kWrite, fd, 2);
  if (n < 0) return n;
  return n == 1 ? syscall(SYS_writev, fd, parts, 1) : syscall(SYS_writev, fd, parts, count);
}
int stat(const char* path, struct stat* info) noexcept {
  if (below_folder(path) && fails(kStat)) return -1;
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, info, 0));
}
int lstat(const char* path, struct stat* info) noexcept {
  if (below_folder(path) && fails(kStat)) return -1;
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW));
}
int fstat(int fd, struct stat* info) noexcept {
  if (is_watched(fd) && fails(kStat)) return -1;
  return static_cast<int>(syscall(SYS_newfstatat, fd, "", info, AT_EMPTY_PATH));
}
int fstat64(int fd, struct stat64* info) noexcept {
  if (is_watched(fd) && fails(kStat)) return -1;
  return static_cast<int>(syscall(SYS_newfstatat, fd, "", info, AT_EMPTY_PATH));
}
int statvfs(const char* path, struct statvfs* info) noexcept {
  if (below_folder(path) && fails(kStat)) return -1;
  return real<int (*)(const char*, struct statvfs*)>("statvfs")(path, info);
}
int access(const char* path, int mode) noexcept {
  if (below_folder(path) && fails(kStat)) return -1;
  return static_cast<int>(syscall(SYS_faccessat, AT_FDCWD, path, mode));
}
int fsync(int fd) {
  if (is_watched(fd) && fails(kSync)) return -1;
  return static_cast<int>(syscall(SYS_fsync, fd));
}
int rename(const char* from, const char* to) noexcept {
  if (below_folder(to) && (fails(kRename) || fails(kMove))) return -1;
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int link(const char* from, const char* to) noexcept {
  if (below_folder(to) && fails(kMove)) return -1;
  return static_cast<int>(syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int truncate(const char* path, off_t bytes) noexcept {
  if (below_folder(path) && fails(kTruncate)) return -1;
  return static_cast<int>(syscall(SYS_truncate, path, bytes));
}
int ftruncate(int fd, off_t bytes) noexcept {
  if (is_watched(fd) && fails(kTruncate)) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, fd, bytes));
}
int mkdir(const char* path, mode_t mode) noexcept {
  if (below_folder(path) && fails(kMkdir)) return -1;
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
int unlink(const char* path) noexcept {
  if (below_folder(path) && fails(kUnlink)) return -1;
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
int rmdir(const char* path) noexcept {
  if (below_folder(path) && fails(kUnlink)) return -1;
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}
int remove(const char* path) noexcept {
  if (below_folder(path) && fails(kUnlink)) return -1;
  return real<int (*)(const char*)>("remove")(path);
}
void* mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  const int action = is_watched(fd) ? next(kMap) : 0;
  if (action > 0) {
    errno = action;
    return MAP_FAILED;
  }
  void* mapped = reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, fd, offset));
  if (action == kCut) cut(fd);
  return mapped;
}
int flock(int fd, int operation) noexcept {
  if (is_watched(fd) && fails(kLock)) return -1;
  return static_cast<int>(syscall(SYS_flock, fd, operation));
}
DIR* opendir(const char* path) {
  const bool below = below_folder(path);
  if (below && fails(kList)) return nullptr;
  DIR* folder_at = real<DIR* (*)(const char*)>("opendir")(path);
  if (folder_at != nullptr) watch(dirfd(folder_at), below);
  return folder_at;
}
struct dirent* readdir(DIR* at) {
  if (is_watched(dirfd(at)) && fails(kList)) return nullptr;
  return real<struct dirent* (*)(DIR*)>("readdir")(at);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*run)(void*), void* with) noexcept {
  if (const int error = next(kThread); error > 0) return error;
  return real<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create")(thread, how, run,
                                                                                                     with);
}
}
