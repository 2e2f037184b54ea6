// Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) as a flag that loops check.
//
// The first signal prints at once what happens next. While there is nothing to save it also ends the program. Later the
// second one changes nothing, so that it cannot lose a save; it says that the third ends the program immediately.
#pragma once

#include <string>

#include "base/check.h"

namespace attune {

/// The exit code of a program that a signal ended early, as shells use it.
constexpr int kInterruptedExit = 130;

/// Thrown to end work that has no useful partial result; run_program() then returns kInterruptedExit.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};

/// Until catch_interrupts() is called, one of the three signals prints `now` and ends the program at once with
/// kInterruptedExit. Signals that came before still count for interrupted().
void end_at_interrupts(const std::string& now);
/// Starts to catch the three signals (not a SIGHUP that is ignored, as under nohup), or changes the text: what the
/// program does after the first signal, e.g. "the run ends after the current step".
void catch_interrupts(const std::string& next);
/// Whether one has come.
bool interrupted();
/// Makes writing to a closed pipe an error instead of the end of the program: for programs whose results are files.
void ignore_closed_pipes();

}  // namespace attune
