// The device of a tensor's bytes.
#pragma once

#include <cstdint>
#include <ostream>

namespace attune {

enum class Device : std::uint8_t { kCpu, kCuda };

constexpr const char* name_of(Device device) {
  return device == Device::kCpu ? "cpu" : "cuda";
}
inline std::ostream& operator<<(std::ostream& out, Device device) {
  return out << name_of(device);
}

}  // namespace attune
