// Ctrl-C and SIGTERM as a flag that loops check. A second signal ends the program immediately.
#pragma once

#include "base/check.h"

namespace attune {

/// The exit code of a program that a signal ended early, as shells use it.
constexpr int kInterruptedExit = 130;

/// Thrown to end work that has no useful partial result; run_program() then returns kInterruptedExit.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};

/// Starts to catch both signals.
void catch_interrupts();
/// Whether one has come.
bool interrupted();

}  // namespace attune
