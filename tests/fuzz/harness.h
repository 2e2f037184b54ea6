// What every fuzz target shares: its entry, the report of a broken promise, and inputs as files in memory.
//
// A target defines run(): product code reads one input. An attune::Error is a correct answer to any input. Everything
// else ends the process with a report: another exception, an invariant that does not hold, a finding of a sanitizer, a
// leak, too much memory or time (scripts/fuzz.sh sets the limits). The accepted() of a target shows that its harness
// works: with ATTUNE_FUZZ_FAULT in the environment a fault happens there, and the run must fail.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/parts.h"  // for the targets

namespace attune::fuzz {

/// Defined by the target: gives an input to product code.
void run(std::string_view input);

/// Called where product code has read an input to its end without an error.
void accepted();
/// Ends the process if a promise of product code is broken.
void require(bool holds, const char* promise);
/// Calls read(); true if it ends well, false if it throws an attune::Error.
bool succeeds(const std::function<void()>& read);

/// A file in memory with a path. A read of the mapped file past its end is reported.
class MemoryFile {
 public:
  MemoryFile();
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const;
  void replace(std::string_view bytes);
  /// Standard input begins with the file's first byte.
  void be_standard_input() const;

 private:
  int fd_;
  std::size_t size_ = 0;
};

/// A folder below TMPDIR whose files are in memory.
class MemoryFolder {
 public:
  explicit MemoryFolder(const std::vector<std::string>& names);
  ~MemoryFolder();
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Puts the file `name` into the folder, or takes it out.
  void put(std::size_t name, std::string_view bytes);
  void take_out(std::size_t name);

 private:
  struct File;
  std::string path_;
  std::vector<File> files_;
};

/// From now on tensors of an input may have so many bytes in all; more is out of memory, as on a small machine.
void limit_tensors(std::size_t bytes);

}  // namespace attune::fuzz
