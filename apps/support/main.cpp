#include "apps/support/main.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "base/printable.h"

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

}  // namespace

int run_program(CommandLine& app, int argc, char** argv, const std::function<int()>& body) {
  const auto complain = [&](const char* what) {
    std::cerr << app.name() << ": error: " << one_line(what) << std::endl;
  };
  open_missing_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond the limit of the process (ulimit -f) is an error, not the end
  try {
    const int code = app.parse(argc, argv) ? body() : 0;
    flush_results();
    return code;
  } catch (const UsageError& error) {
    complain(error.what());
    return 2;
  } catch (const Interrupted& error) {
    complain(error.what());
    return kInterruptedExit;
  } catch (const std::bad_alloc&) {
    complain("out of memory");
  } catch (const std::exception& error) {
    complain(error.what());
  }
  return 1;
}

}  // namespace attune
