#include "base/byte_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// The first block is small: most files are; it has room for a byte after the file, so that one more read sees the end.
// Once it was full, blocks are large.
constexpr std::size_t kFirstBlock = std::size_t{1} << 16, kBlock = std::size_t{1} << 20;

}  // namespace

ByteReader::ByteReader() : name_("standard input") {}

ByteReader::ByteReader(const std::string& path, FileKind kind)
    : name_(path), file_(open_descriptor(path, kind == FileKind::kRegular ? O_RDONLY | O_NONBLOCK : O_RDONLY)) {
  struct stat info {};
  if (file_.get() < 0 || fstat(file_.get(), &info) != 0) throw IoError(name_, std::strerror(errno));
  if (kind == FileKind::kRegular && !S_ISREG(info.st_mode)) throw IoError(name_, kNotRegular);
  if (S_ISREG(info.st_mode)) expected_ = static_cast<std::size_t>(info.st_size);
}

bool ByteReader::fill() {
  if (block_.empty())
    block_.resize(expected_ == 0 ? kFirstBlock : std::min(kFirstBlock, expected_ + 1));
  else if (end_ == block_.size())
    block_.resize(kBlock);
  at_ = end_ = 0;
  return read_more();
}

bool ByteReader::read_more() {
  ssize_t n = 0;
  do n = read(file_.get() < 0 ? STDIN_FILENO : file_.get(), block_.data() + end_, block_.size() - end_);
  while (n < 0 && errno == EINTR);
  if (n < 0) throw IoError(name_, read_failure(errno));
  end_ += static_cast<std::size_t>(n);
  passed_ += static_cast<std::size_t>(n);
  if (n == 0 && passed_ < expected_)
    throw IoError(name_, str_cat(read_failure(ENODATA), ": after ", passed_, " of ", expected_, " bytes it ends"));
  return n > 0;
}

void ByteReader::skip(std::string_view mark) {
  // A pipe may give a part of the mark first.
  const auto there = [&] { return std::string_view(block_.data() + at_, end_ - at_); };
  if (peek() == kEnd) return;
  while (there().size() < mark.size() && mark.starts_with(there()) && read_more()) continue;
  if (there().starts_with(mark)) at_ += mark.size();
}

std::string_view ByteReader::block() {
  if (at_ == end_ && !fill()) return {};
  const std::size_t begin = std::exchange(at_, end_);
  return {block_.data() + begin, end_ - begin};
}

bool ByteReader::line(std::string& out) {
  out.clear();
  bool found = false;
  while (peek() != kEnd) {
    found = true;
    const char* begin = block_.data() + at_;
    const char* end = block_.data() + end_;
    const char* line_end = std::find(begin, end, '\n');
    out.append(begin, line_end);
    CHECK(out.size() <= kMaxLine, name_, ": a line is longer than ", kMaxLine, " bytes");
    at_ = static_cast<std::size_t>(line_end - block_.data());
    if (line_end == end) continue;
    ++at_;
    break;
  }
  return found;
}

}  // namespace attune
