// Errors, one type for each cause.
//
//   Error       the caller's mistake: a bad flag, shape, file content. CHECK throws it.
//   UsageError  a mistake on the command line.
//   IoError     a failure of the machine: a file that cannot be opened, read or written. Names the path.
//   OutOfMemory not enough memory: names the bytes requested and, for a device, the bytes free.
//   DCHECK      our own bug: compiled out of release builds.
//
// A message is one line that names what is wrong and where. main() catches it (apps/support/main.h): it prints the
// line and exits with 1, or with 2 for UsageError.
#pragma once

#include <stdexcept>
#include <string>

#include "base/str_cat.h"

namespace attune {

/// The caller's mistake, in one line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A mistake on the command line; programs exit with 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// There is not enough memory; a smaller request may succeed.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// The operating system refused a file operation.
class IoError : public Error {
 public:
  IoError(const std::string& path, const std::string& what) : Error(path + ": " + what), path_(path) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace attune

/// Throws Error with the message of its other arguments unless `cond` holds: CHECK(a == b, "linear: ", a, " != ", b).
#define CHECK(cond, ...)                                                \
  do {                                                                  \
    if (!(cond)) throw ::attune::Error(::attune::str_cat(__VA_ARGS__)); \
  } while (false)

/// An internal invariant. Aborts with file and line in debug builds, costs nothing in release builds.
#ifdef NDEBUG
#define DCHECK(cond) ((void)0)
#else
#include <cassert>
#define DCHECK(cond) assert(cond)
#endif
