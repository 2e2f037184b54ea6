// The bytes of a file or of standard input, in order.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/input_file.h"

namespace attune {

class ByteReader {
 public:
  static constexpr int kEnd = -1;
  static constexpr std::size_t kMaxLine = std::size_t{1} << 28;  // bytes; /dev/zero has no end of a line

  /// Standard input.
  ByteReader();
  /// Opens a file. Throws IoError, also if it is not of this kind.
  explicit ByteReader(const std::string& path, FileKind kind = FileKind::kAny);

  /// The path, or "standard input".
  const std::string& name() const { return name_; }

  // Each throws IoError if the bytes cannot be read, or if the file was cut while it was read.

  /// The next byte without taking it, or taking it; kEnd after the last.
  int peek() {
    if (at_ == end_ && !fill()) return kEnd;
    return static_cast<unsigned char>(block_[at_]);
  }
  int get() {
    const int c = peek();
    if (c != kEnd) ++at_;
    return c;
  }
  /// Takes these bytes if they come first: a mark at the begin of a file. To be called before anything is taken.
  void skip(std::string_view mark);
  /// Takes the bytes that are there, at most 1 MiB; empty after the last. Valid until the next call.
  std::string_view block();
  /// Takes a line, without its LF; false after the last. Throws Error if it is longer than kMaxLine.
  bool line(std::string& out);

 private:
  /// New bytes in place of those that were taken, or after those that are there; false at the end.
  bool fill();
  bool read_more();

  std::string name_;
  Descriptor file_;           // none: standard input
  std::size_t expected_ = 0;  // bytes of the file when it was opened; 0 if it is not a regular file
  std::size_t passed_ = 0;    // bytes that were read
  std::vector<char> block_;
  std::size_t at_ = 0, end_ = 0;  // bytes of the block that are not taken yet
};

}  // namespace attune
