#include "apps/support/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "engine/comm/processes.h"

namespace attune {
namespace {

std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);
// What the handler prints; it cannot allocate memory. A new text is written to the buffer that is not printed.
std::array<std::array<char, 512>, 2> buffers{};
std::atomic<const char*> notice{""};
static_assert(std::atomic<const char*>::is_always_lock_free);

// Only calls that are allowed in a signal handler.
void print(std::string_view text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

void on_signal(int) {
  const int before = errno;  // of the code that the signal interrupts
  const int count = ++signals;
  if (count == 1) print(notice.load());
  if (count == 2)
    print("\nthe run is still ending; a third signal ends the program at once, and may lose what is not saved yet\n");
  if (count >= 3) _exit(kInterruptedExit);
  errno = before;
}

}  // namespace

void catch_interrupts(const std::string& next) {
  auto& buffer = buffers[notice == buffers[0].data() ? 1 : 0];
  if (launched_rank() == 0) std::snprintf(buffer.data(), buffer.size(), "\ninterrupted: %s\n", next.c_str());
  notice = buffer.data();
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (signal != SIGHUP || before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

bool interrupted() {
  return signals > 0;
}

void ignore_closed_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace attune
