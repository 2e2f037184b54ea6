// The bytes of a file in the address space, read-only: pages are read when they are used.
//
// Where somebody cuts the file meanwhile, or the disk cannot read it, the program or the run ends with one line that
// names the file (base/mapped_files.h).
#pragma once

#include <cstddef>
#include <string>

namespace attune {

class Mapping {
 public:
  /// The first `bytes` of an open file, more than 0; `name` is for the error. Throws IoError if they cannot be mapped.
  Mapping(int file, std::size_t bytes, const std::string& name);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const std::byte* data() const { return data_; }

 private:
  const std::byte* data_;
  std::size_t bytes_;
};

}  // namespace attune
