#include "base/mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/mapped_files.h"

namespace attune {

Mapping::Mapping(int file, std::size_t bytes, const std::string& name) : data_(nullptr), bytes_(bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  if (mapped == MAP_FAILED)
    throw IoError(name, str_cat(bytes, " bytes of the file cannot be mapped: ", std::strerror(errno)));
  data_ = static_cast<const std::byte*>(mapped);
  try {
    add_mapped_file(data_, bytes, file, name);
  } catch (...) {
    munmap(mapped, bytes);
    throw;
  }
}

Mapping::~Mapping() {
  remove_mapped_file(data_);
  munmap(const_cast<std::byte*>(data_), bytes_);
}

}  // namespace attune
