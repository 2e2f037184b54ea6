// Safetensors files made by hand, broken ones too.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace attune::testing {

/// The bytes of little-endian values.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string out(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
  return out;
}

/// Length, header and buffer of a file.
inline std::string safetensors_bytes(const std::string& header, const std::string& buffer) {
  return bytes_of<std::uint64_t>({header.size()}) + header + buffer;
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace attune::testing
