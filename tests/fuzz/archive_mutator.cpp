#include "tests/fuzz/archive_mutator.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

namespace attune::fuzz {
namespace {

constexpr std::size_t kBlock = 512, kChecksumAt = 148, kChecksumSize = 8;

// The bytes inside gzip or xz; nothing if they are not readable.
std::string unpacked(const std::string& bytes, std::size_t max_size) {
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  std::string out(max_size, '\0');
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK)
    return {};
  const la_ssize_t size = archive_read_data(reader.get(), out.data(), out.size());
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return out;
}

std::uint32_t crc32(const std::string& bytes) {
  static const auto after_byte = [] {
    std::array<std::uint32_t, 256> out;
    for (std::uint32_t i = 0; i < 256; ++i) {
      out[i] = i;
      for (int bit = 0; bit < 8; ++bit) out[i] = out[i] >> 1 ^ ((out[i] & 1) != 0 ? 0xEDB88320u : 0);
    }
    return out;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) crc = crc >> 8 ^ after_byte[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

void append_number(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
}

// RFC 1952 with one stored block of RFC 1951.
std::string gzip(const std::string& bytes) {
  std::string out("\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\xFF\x01", 11);
  append_number(out, bytes.size(), 2);
  append_number(out, ~std::uint64_t{bytes.size()}, 2);
  out += bytes;
  append_number(out, crc32(bytes), 4);
  append_number(out, bytes.size(), 4);
  return out;
}

bool is_header(const std::string& tar, std::size_t at) {
  return at + kBlock <= tar.size() && tar.compare(at + 257, 5, "ustar") == 0;
}

void set_field(std::string& tar, std::size_t at, const std::string& text, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) tar[at + i] = i < text.size() ? text[i] : '\0';
}

void change_header(std::string& tar, std::size_t at, Random& random) {
  static constexpr const char* kNames[] = {
      "aclImdb/test/pos/0_1.txt", "aclImdb/train/neg/1_1.txt", "test/pos/a.txt", "train/pos/../neg/b.txt", "x", "",
      "/test/neg/c.txt",          "aclImdb/imdb.vocab"};
  static constexpr const char* kSizes[] = {"00000000000", "00000000001", "00000001000",
                                           "77777777777", "00100000000", "00100000001",
                                           "-1",          "8",           "\x80\x00\x00\x00\x00\x00\x00\xFF",
                                           "\xFF\xFF\xFF"};
  static constexpr char kTypes[] = {'0', '\0', '1', '2', '3', '5', '6', '7', 'L', 'K', 'x', 'g', 'S', 'V'};
  switch (random.below(4)) {
    case 0:
      set_field(tar, at, random.of(kNames), 100);
      break;
    case 1:
      set_field(tar, at + 124, random.of(kSizes), 12);
      break;
    case 2:
      tar[at + 156] = random.of(kTypes);
      break;
    default:
      tar[at + random.below(kBlock)] = static_cast<char>(random.below(256));
  }
}

// Sums every header of a member again.
void repair(std::string& tar) {
  for (std::size_t at = 0; at + kBlock <= tar.size(); at += kBlock) {
    if (!is_header(tar, at)) continue;
    set_field(tar, at + kChecksumAt, "        ", kChecksumSize);
    unsigned sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(tar[at + i]);
    std::array<char, 16> text;
    std::snprintf(text.data(), text.size(), "%06o", sum);
    set_field(tar, at + kChecksumAt, text.data(), kChecksumSize - 1);
    tar[at + kChecksumAt + 7] = ' ';
  }
}

}  // namespace

std::string changed_archive(const std::string& bytes, std::size_t max_size, Random& random) {
  const bool packed = bytes.starts_with("\x1F\x8B") || bytes.starts_with(
                                                           "\xFD"
                                                           "7zXZ");
  std::string tar = packed ? unpacked(bytes, std::min<std::size_t>(max_size, 60000)) : bytes;
  if (tar.size() < kBlock) return changed_bytes(bytes, max_size, random);
  const std::size_t at = random.below(static_cast<std::uint32_t>(tar.size() / kBlock)) * kBlock;
  switch (random.below(5)) {
    case 0:
      tar.erase(at, kBlock);
      break;
    case 1:
      tar.insert(at, tar.substr(0, std::min<std::size_t>(tar.size(), kBlock * (1 + random.below(2)))));
      break;
    case 2:
      tar = changed_bytes(tar, max_size, random);
      break;
    default:
      if (is_header(tar, at))
        change_header(tar, at, random);
      else
        tar[at + random.below(kBlock)] = static_cast<char>(random.below(256));
  }
  if (!random.one_in(10)) repair(tar);
  std::string out = random.one_in(3) && tar.size() < 65536 ? gzip(tar) : tar;
  return out.size() <= max_size ? out : bytes;
}

}  // namespace attune::fuzz
