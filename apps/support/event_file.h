// A file of scalars that TensorBoard reads ("event file"): one record for each step with values.
//
// A record is the length of its data (8 bytes), the checksum of these 8 bytes (4 bytes), the data, and the data's
// checksum, little-endian; a checksum is CRC-32C, rotated right by 15 bits plus 0xA282EAD8 (TensorFlow's
// tensorflow/core/lib/io/record_writer.h). The data is an Event in the encoding of protocol buffers
// (tensorflow/core/util/event.proto): 1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary, 7:
// SessionLog.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace attune {

/// CRC-32C (Castagnoli) of bytes.
std::uint32_t crc32c(const std::string& bytes);

class EventFile {
 public:
  /// Creates a file in the folder, which is created if it is missing. Throws IoError. With `first_step` above 0
  /// TensorBoard drops what earlier files of the folder have from that step on: a run that continues.
  EventFile(const std::string& folder, std::int64_t first_step);

  using Scalars = std::vector<std::pair<std::string, double>>;
  /// The values of a step by tag. If a write fails, prints a warning on standard error and the file ends there.
  void write(std::int64_t step, const Scalars& scalars);

 private:
  void append(const std::string& event);

  std::string path_;
  Descriptor file_;
};

}  // namespace attune
