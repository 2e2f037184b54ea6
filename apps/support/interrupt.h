// Ctrl-C and SIGTERM as a question that loops ask. A second signal ends the program at once.
#pragma once

namespace attune {

/// Starts to catch both signals.
void catch_interrupts();
/// Whether one has come.
bool interrupted();

}  // namespace attune
