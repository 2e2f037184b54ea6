// The header of a safetensors file, read from a file that is not trusted: sizes are multiplied with overflow checks, and
// every rule of the format has its own error code. Reference behaviour: huggingface/safetensors (limits, order of
// checks).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"

namespace attune {

/// The rule of the format that a file breaks.
enum class SafetensorsRule : std::uint8_t {
  kFileTooSmall,      // under 8 bytes
  kHeaderTooLarge,    // header over 100,000,000 bytes
  kHeaderBeyondFile,  // header longer than the file
  kHeaderStart,       // header does not start with '{'
  kHeaderNotUtf8,
  kHeaderNotJson,
  kDuplicateKey,
  kMetadata,     // __metadata__ is not an object of strings
  kTensorEntry,  // not an object with dtype, shape and data_offsets of the right kinds
  kUnknownDtype,
  kShapeOverflow,  // product of the shape, or its bits, do not fit 64 bits
  kNotWholeBytes,  // a tensor of sub-byte elements does not fill its last byte
  kOffsetsOrder,   // begin > end
  kOffsetsBeyondFile,
  kHoleOrOverlap,  // tensors do not tile the buffer
  kSizeMismatch,   // span of bytes is not what dtype and shape need
  kTrailingBytes,  // bytes after the last tensor
};

/// A file that is not valid safetensors; the message names file, tensor, what was expected and what was found.
class SafetensorsError : public Error {
 public:
  SafetensorsError(SafetensorsRule rule, const std::string& message) : Error(message), rule_(rule) {}
  SafetensorsRule rule() const { return rule_; }

 private:
  SafetensorsRule rule_;
};

/// One tensor of a file.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // as the file spells it, e.g. "BF16"
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes of the buffer
};

/// Takes the next bytes of a tensor.
using TakeBytes = std::function<void(std::span<const std::byte>)>;
/// Calls take(block) for `size` bytes of a file from `begin` on. Throws IoError.
using ReadRange = std::function<void(std::uint64_t begin, std::uint64_t size, const TakeBytes& take)>;

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
  std::uint64_t buffer_begin = 0;  // where the tensors' bytes begin in the file
};

/// Reads and checks the header of a file of `size` bytes; `path` is for messages. Throws SafetensorsError if the file
/// breaks a rule.
SafetensorsHeader read_safetensors_header(const std::string& path, std::uint64_t size, const ReadRange& read);

}  // namespace attune
