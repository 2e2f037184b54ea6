#include "apps/support/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "engine/comm/processes.h"

namespace attune {
namespace {

std::atomic<int> signals{0};
static_assert(std::atomic<int>::is_always_lock_free);
// What the handler does at the first signal; it cannot allocate memory.
struct Answer {
  std::array<char, PATH_MAX + 256> text{};  // it may name a file
  bool ends_now = false;
};
// A new answer is written to the one that the handler does not read, so that text and action change together.
std::array<Answer, 2> answers{};
std::atomic<const Answer*> answer{&answers[0]};
static_assert(std::atomic<const Answer*>::is_always_lock_free);

// Only calls that are allowed in a signal handler.
void print(std::string_view text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

void on_signal(int) {
  const int before = errno;  // of the code that the signal interrupts
  const int count = ++signals;
  const Answer& now = *answer.load();
  if (count == 1 || now.ends_now) print(now.text.data());
  if (now.ends_now) _exit(kInterruptedExit);
  if (count == 2)
    print("\nthe run is still ending; a third signal ends the program at once, and may lose what is not saved yet\n");
  if (count >= 3) _exit(kInterruptedExit);
  errno = before;
}

void handle_signals(const std::string& text, bool ends_now) {
  Answer& next = answers[answer == &answers[0] ? 1 : 0];
  if (launched_rank() == 0) std::snprintf(next.text.data(), next.text.size(), "\ninterrupted: %s\n", text.c_str());
  next.ends_now = ends_now;
  answer = &next;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (signal != SIGHUP || before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void end_at_interrupts(const std::string& now) {
  handle_signals(now, true);
}

void catch_interrupts(const std::string& next) {
  handle_signals(next, false);
}

bool interrupted() {
  return signals > 0;
}

void ignore_closed_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace attune
