#include "apps/support/log_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/support/version.h"
#include "base/check.h"

namespace attune {
namespace {

// Bytes of the first line, at most. That of an epoch has measures of each class.
constexpr std::size_t kFirstLine = std::size_t{1} << 27;
constexpr const char* kMark = "attune_log";  // a member of the first line: the version
constexpr std::int64_t kLastStep = std::int64_t{1} << 53;

std::string_view text_of(std::span<const std::byte> block) {
  return {reinterpret_cast<const char*>(block.data()), block.size()};
}

// The record of a line; an empty object if it is none.
json::Value record_of(std::string_view line, const std::string& path) {
  try {
    json::Value out = json::parse(line, path);
    if (out.is_object()) return out;
  } catch (const Error&) {  // not of a log
  }
  return json::Value::object();
}

// The first line of a file, or of a longer one its begin. False, and errno, if it cannot be read.
bool read_first_line(int fd, std::size_t size, std::string& line) {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  for (const std::size_t end = std::min(size, kFirstLine); line.size() < end;) {
    const std::size_t begin = line.size();
    if (!read_blocks(fd, begin, std::min(end - begin, kBlock),
                     [&](std::span<const std::byte> block) { line += text_of(block); }))
      return false;
    if (const std::size_t at = line.find('\n', begin); at != std::string::npos) {
      line.resize(at);
      break;
    }
  }
  return true;
}

// Whether a file with this first line is a log. Logs of earlier versions have no mark: they are known by the line of a
// batch, with which all but those of resumed runs begin.
bool is_of_log(std::string_view line, const std::string& path) {
  static const std::vector<std::string> batch = {"step", "loss", "learning_rate", "grad_norm", "tokens_per_second"};
  std::vector<std::string> names;
  record_of(line, path).for_each([&](const std::string& name, const json::Value&) { names.push_back(name); });
  return std::ranges::count(names, kMark) > 0 || std::ranges::is_permutation(names, batch);
}

}  // namespace

LogFile::LogFile(std::string path, bool goes_on, const std::optional<LogState>& kept) : path_(std::move(path)) {
  const auto fail = [&](const char* what) {
    throw IoError(path_, str_cat("the log file cannot be ", what, ": ", std::strerror(errno)));
  };
  file_.reset(open_descriptor(path_, O_RDWR | O_CREAT | O_APPEND, 0666));
  if (file_.get() < 0) file_.reset(open_descriptor(path_, O_WRONLY | O_CREAT | O_APPEND, 0666));  // may not be read
  struct stat info {};
  if (file_.get() < 0 || fstat(file_.get(), &info) != 0) fail("created");
  is_file_ = S_ISREG(info.st_mode);
  if (!is_file_) return;
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw Error(str_cat("--log_file ", path_, ": another run is writing to this file"));
  const std::int64_t size = info.st_size;
  if (goes_on && (kept || size > 0)) next_step_ = 0;
  if (goes_on && kept && kept->bytes > 0 && kept->bytes <= size) {
    read(kept->bytes);
    if (bytes_ != kept->bytes || lines_.hex() != kept->digest)
      throw IoError(path_, str_cat("is not the log that the checkpoint was made with: the SHA-256 of its first ",
                                   kept->bytes, " bytes is another one; name another file"));
  } else if (size > 0) {
    std::string first;
    if (!read_first_line(file_.get(), static_cast<std::size_t>(size), first)) fail("read");
    if (!is_of_log(first, path_))
      throw Error(str_cat("--log_file ", path_, ": attune did not write this file; name another one"));
    if (goes_on && !(kept && kept->bytes == 0)) read(size);
  }
  if (ftruncate(file_.get(), bytes_) != 0) fail("cut");
}

// Reads the whole lines of the first `size` bytes.
void LogFile::read(std::int64_t size) {
  std::string rest, last;
  const auto take = [&](std::span<const std::byte> block) {
    rest += text_of(block);
    std::size_t begin = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      const std::string_view line = std::string_view(rest).substr(begin, end - begin);
      if (line.find("\"tokens_per_second\"") != std::string::npos) last = line;  // of a batch
      begin = end + 1;
    }
    lines_.update(std::string_view(rest).substr(0, begin));
    bytes_ += static_cast<std::int64_t>(begin);
    rest.erase(0, begin);
  };
  if (!read_blocks(file_.get(), 0, static_cast<std::size_t>(size), take))
    throw IoError(path_, "the log file " + read_failure(errno));
  const json::Value record = record_of(last, path_);
  if (record.has("step")) next_step_ = record["step"].integer(0, kLastStep) + 1;
}

bool LogFile::write(const json::Value& record) {
  if (file_.get() < 0) return true;
  const auto marked = [&] {
    json::Value out = record;
    out.set(kMark, built_version());
    return out;
  };
  const std::string line = (bytes_ == 0 ? marked().dump() : record.dump()) + "\n";
  if (write_all(file_.get(), std::as_bytes(std::span(line)))) {
    bytes_ += std::ssize(line);
    lines_.update(line);
    return true;
  }
  const int why = errno;
  if (is_file_) [[maybe_unused]]
    const int cut = ftruncate(file_.get(), bytes_);  // else a run that goes on does it
  file_.reset(-1);
  errno = why;
  return false;
}

std::optional<LogState> LogFile::state() const {
  if (!is_file_) return std::nullopt;
  return LogState{bytes_, lines_.hex()};
}

}  // namespace attune
