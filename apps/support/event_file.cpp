#include "apps/support/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <span>

#include "base/check.h"
#include "engine/io/files.h"

namespace attune {
namespace {

// The low bytes of a number, little-endian.
std::string bytes_of(std::uint64_t number, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += static_cast<char>(number >> (8 * i) & 0xFF);
  return out;
}

std::string varint(std::uint64_t number) {
  std::string out;
  for (; number >= 0x80; number >>= 7) out += static_cast<char>((number & 0x7F) | 0x80);
  return out + static_cast<char>(number);
}

// Fields of a message. The wire types: 0 variable-length integer, 1 eight bytes, 2 text or message, 5 four bytes.
std::string integer_field(int field, std::int64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(static_cast<std::uint64_t>(value));
}
std::string double_field(int field, double value) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 1) + bytes_of(std::bit_cast<std::uint64_t>(value), 8);
}
std::string float_field(int field, float value) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 5) + bytes_of(std::bit_cast<std::uint32_t>(value), 4);
}
std::string text_field(int field, const std::string& value) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}

std::uint32_t masked_crc(const std::string& bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::uint32_t crc32c(const std::string& bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < out.size(); ++i) {
      std::uint32_t remainder = i;
      for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ ((remainder & 1) != 0 ? 0x82F63B78U : 0);
      out[i] = remainder;
    }
    return out;
  }();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

EventFile::EventFile(const std::string& folder, std::int64_t first_step) {
  create_folders(folder);
  std::array<char, 256> name{};
  const std::string host = gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
  path_ = (std::filesystem::path(folder) /
           str_cat("events.out.tfevents.", static_cast<std::int64_t>(now()), ".", host, ".", getpid(), ".0"))
              .string();
  file_.reset(open_descriptor(path_, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0666));
  if (file_.get() < 0) throw IoError(path_, str_cat("cannot be created: ", std::strerror(errno)));
  append(double_field(1, now()) + text_field(3, "brain.Event:2"));
  constexpr std::int64_t kStart = 1;  // SessionLog::START
  if (first_step > 0)
    append(double_field(1, now()) + integer_field(2, first_step) + text_field(7, integer_field(1, kStart)));
}

void EventFile::write(std::int64_t step, const Scalars& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars)
    if (!std::isnan(value)) summary += text_field(1, text_field(1, tag) + float_field(2, static_cast<float>(value)));
  if (!summary.empty()) append(double_field(1, now()) + integer_field(2, step) + text_field(5, summary));
}

void EventFile::append(const std::string& event) {
  if (file_.get() < 0) return;
  const std::string length = bytes_of(event.size(), 8);
  const std::string record = length + bytes_of(masked_crc(length), 4) + event + bytes_of(masked_crc(event), 4);
  if (write_all(file_.get(), std::as_bytes(std::span(record)))) return;
  const std::string why = std::strerror(errno);
  file_.reset(-1);
  std::cerr << "warning: " << path_ << " cannot be written: " << why << "; the run goes on without it" << std::endl;
}

}  // namespace attune
