#include "apps/support/interrupt.h"

#include <atomic>
#include <csignal>

namespace attune {
namespace {

std::atomic<bool> signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int signal) {
  signalled = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() {
  return signalled;
}

}  // namespace attune
