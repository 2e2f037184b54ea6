#include "base/read_file.h"

#include "base/byte_reader.h"
#include "base/check.h"

namespace attune {

std::string read_file(const std::string& path, std::size_t max_bytes, FileKind kind) {
  ByteReader file(path, kind);
  std::string out;
  for (std::string_view block = file.block(); !block.empty(); block = file.block()) {
    out += block;
    if (out.size() > max_bytes) throw IoError(path, str_cat("has more than ", max_bytes, " bytes"));
  }
  refuse_lfs_pointer(path, out);
  return out;
}

}  // namespace attune
