#include "apps/support/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <string_view>

namespace attune {
namespace {

std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);
std::array<char, 512> notice{};  // printed by the handler, which cannot allocate memory

// Only calls that are allowed in a signal handler.
void print(std::string_view text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

void on_signal(int) {
  const int count = ++signals;
  if (count == 1) print(notice.data());
  if (count == 2) print("\nstill at it; a third signal ends the program at once, and may lose what is not saved yet\n");
  if (count >= 3) _exit(kInterruptedExit);
}

}  // namespace

void catch_interrupts(const std::string& next) {
  std::snprintf(notice.data(), notice.size(), "\ninterrupted: %s\n", next.c_str());
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
