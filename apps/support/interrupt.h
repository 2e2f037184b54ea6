// Ctrl-C and SIGTERM as a question that loops ask. A second signal ends the program at once.
#pragma once

#include "base/check.h"

namespace attune {

/// What a program returns that a signal ended early, as shells count it.
constexpr int kInterruptedExit = 130;

/// Ends work that cannot be kept half done; run_program() returns kInterruptedExit for it.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};

/// Starts to catch both signals.
void catch_interrupts();
/// Whether one has come.
bool interrupted();

}  // namespace attune
