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

void on_early_signal(int) {
  print(notice.load());
  _exit(kInterruptedExit);
}

void handle_signals(const std::string& text, void (*handler)(int)) {
  auto& buffer = buffers[notice == buffers[0].data() ? 1 : 0];
  if (launched_rank() == 0) std::snprintf(buffer.data(), buffer.size(), "\ninterrupted: %s\n", text.c_str());
  notice = buffer.data();
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (signal != SIGHUP || before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void end_at_interrupts(const std::string& now) {
  handle_signals(now, on_early_signal);
}

void catch_interrupts(const std::string& next) {
  handle_signals(next, on_signal);
}

bool interrupted() {
  return signals > 0;
}

void ignore_closed_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace attune
