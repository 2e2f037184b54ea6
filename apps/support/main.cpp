#include "apps/support/main.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "base/printable.h"
#include "engine/comm/processes.h"

namespace attune {
namespace {

// Flushes the output. Throws IoError if any of it was lost.
void flush_results() {
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw IoError("standard output", "cannot be written");
}

// A program may be started without standard streams. A file opened later would get their numbers, and output of the
// program would end in it.
void open_missing_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) < 0) return;
}

// Prints the one line of an error, after all results; if memory is exhausted, without asking for more. Returns `code`.
int print_error(const char* name, const char* what, int code, const char* where = "") noexcept {
  std::cout.flush();
  std::fflush(stdout);
  std::string line;
  try {
    line = one_line(what);
  } catch (const std::bad_alloc&) {
    line.clear();
  }
  for (const char* part : {name, ": error: ", where, line.empty() ? what : line.c_str(), "\n"})
    std::fputs(part, stderr);
  return code;
}

// Ends the process without destructors, while other threads may still exchange with other processes, or wait for them.
[[noreturn]] void end_at_once(int code) {
  std::fflush(nullptr);
  _exit(code);
}

// Returns `code`, or under a launcher ends the process with it.
// The launcher ends all processes when one ends so. Other ranks wait two seconds first, so that an error which all ranks
// have is printed by rank 0 alone.
int ended_with_error(const char* name, const char* what, int code) noexcept {
  if (launched_world() <= 1) return print_error(name, what, code);
  for (int waits = launched_rank() > 0 ? 20 : 0; waits > 0 && !interrupted(); --waits) usleep(100000);
  char where[32] = "";
  if (launched_rank() > 0) std::snprintf(where, sizeof where, "rank %d: ", launched_rank());
  if (launched_rank() == 0 || !interrupted()) print_error(name, what, code, where);
  end_at_once(code);
}

}  // namespace

int run_program(const Program& program, const std::function<int(CommandLine& app)>& body) {
  open_missing_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the limit of the process (ulimit -f) is an error, not the end
  try {
    CommandLine app(program.description, program.name);
    const int code = body(app);
    flush_results();
    if (launched_world() > 1) end_at_once(code);
    return code;
  } catch (const UsageError& error) {
    return ended_with_error(program.name, error.what(), 2);
  } catch (const Interrupted& error) {
    return ended_with_error(program.name, error.what(), kInterruptedExit);
  } catch (const std::bad_alloc&) {
    return ended_with_error(program.name, "out of memory", 1);
  } catch (const std::exception& error) {
    return ended_with_error(program.name, error.what(), 1);
  }
}

}  // namespace attune
