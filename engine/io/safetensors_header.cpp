#include "engine/io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "base/input_file.h"
#include "base/utf8.h"
#include "json/value.h"

namespace attune {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;

const std::map<std::string_view, std::uint64_t>& bits_of_dtypes() {
  static const std::map<std::string_view, std::uint64_t> bits = {
      {"BOOL", 8},        {"U8", 8},          {"I8", 8},      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
      {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},        {"F32", 32},    {"I64", 64},    {"U64", 64},    {"F64", 64},
      {"C64", 64},        {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  return bits;
}

std::uint64_t load_u64(const std::byte* bytes) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

// Reads one file's header; every failure names the file.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, std::uint64_t size, const ReadRange& read)
      : path_(path), size_(size), read_(read) {}

  SafetensorsHeader parse() {
    SafetensorsHeader out;
    read_header().for_each([&](const std::string& name, const json::Value& value) {
      if (name == "__metadata__")
        read_metadata(value, out.metadata);
      else
        out.entries.push_back(read_entry(name, value));
    });
    std::ranges::sort(out.entries, {}, [](const SafetensorsEntry& e) { return std::pair(e.begin, e.end); });
    check_tiling(out.entries);
    out.buffer_begin = buffer_begin();
    return out;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(SafetensorsRule rule, const Args&... what) const {
    throw SafetensorsError(rule, str_cat(path_, ": not a valid safetensors file: ", what...));
  }

  json::Value read_header() {
    if (size_ < 8) {
      refuse_lfs_pointer(path_, text_at(0, size_));
      fail(SafetensorsRule::kFileTooSmall, "it has ", size_, " bytes, at least 8 are needed");
    }
    const std::string begin = text_at(0, std::min<std::uint64_t>(size_, 256));
    refuse_lfs_pointer(path_, begin);
    header_size_ = load_u64(std::as_bytes(std::span(begin)).data());
    if (header_size_ > kMaxHeader)
      fail(SafetensorsRule::kHeaderTooLarge, "its header claims ", header_size_, " bytes, at most ", kMaxHeader,
           " are allowed");
    if (header_size_ > size_ - 8)
      fail(SafetensorsRule::kHeaderBeyondFile, "its header claims ", header_size_, " bytes, but only ", size_ - 8,
           " follow (truncated?)");
    const std::string text = text_at(8, header_size_);
    if (text.empty() || text.front() != '{') fail(SafetensorsRule::kHeaderStart, "its header does not start with '{'");
    if (utf8_error(text)) fail(SafetensorsRule::kHeaderNotUtf8, "its header is not valid UTF-8");
    return parse_json(text);
  }

  std::string text_at(std::uint64_t begin, std::uint64_t size) const {
    std::string out;
    read_(begin, size, [&](std::span<const std::byte> block) {
      out.append(reinterpret_cast<const char*>(block.data()), block.size());
    });
    return out;
  }

  std::uint64_t buffer_begin() const { return 8 + header_size_; }
  std::uint64_t buffer_size() const { return size_ - buffer_begin(); }

  json::Value parse_json(std::string_view text) const {
    try {
      return json::parse(text, "its header", {.max_bytes = kMaxHeader});
    } catch (const json::ParseError& error) {
      const bool twice = error.rule() == json::ParseRule::kDuplicateKey;
      fail(twice ? SafetensorsRule::kDuplicateKey : SafetensorsRule::kHeaderNotJson, error.what());
    }
  }

  void read_metadata(const json::Value& value, std::map<std::string, std::string>& metadata) const {
    if (!value.is_object()) fail(SafetensorsRule::kMetadata, "__metadata__ is not an object");
    value.for_each([&](const std::string& key, const json::Value& text) {
      if (!text.is_string()) fail(SafetensorsRule::kMetadata, "__metadata__ holds '", key, "' that is not a string");
      metadata[key] = text.string();
    });
  }

  SafetensorsEntry read_entry(const std::string& name, const json::Value& value) const {
    SafetensorsEntry entry;
    entry.name = name;
    std::vector<std::uint64_t> shape;
    try {
      entry.dtype = value["dtype"].string();
      for (const json::Value& dimension : value["shape"].items()) shape.push_back(dimension.unsigned_integer());
      const std::vector<json::Value> offsets = value["data_offsets"].items();
      if (offsets.size() != 2) value["data_offsets"].fail("must be a pair");
      entry.begin = offsets[0].unsigned_integer();
      entry.end = offsets[1].unsigned_integer();
    } catch (const Error& error) {
      fail(SafetensorsRule::kTensorEntry, error.what());
    }
    set_shape(entry, shape, value["shape"].dump());
    return entry;
  }

  // Checks dtype, shape and offsets of an entry against each other, and sets its shape.
  void set_shape(SafetensorsEntry& entry, const std::vector<std::uint64_t>& shape,
                 const std::string& shape_text) const {
    const std::string& name = entry.name;
    const auto bits = bits_of_dtypes().find(entry.dtype);
    if (bits == bits_of_dtypes().end())
      fail(SafetensorsRule::kUnknownDtype, "tensor '", name, "': unknown dtype '", entry.dtype, "'");
    std::uint64_t total_bits = bits->second;
    for (const std::uint64_t size : shape) {
      if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
          __builtin_mul_overflow(total_bits, size, &total_bits))
        fail(SafetensorsRule::kShapeOverflow, "tensor '", name, "': shape ", shape_text, " overflows");
      entry.shape.push_back(static_cast<std::int64_t>(size));
    }
    if (total_bits % 8 != 0)
      fail(SafetensorsRule::kNotWholeBytes, "tensor '", name, "': ", total_bits, " bits are not whole bytes");
    if (entry.begin > entry.end)
      fail(SafetensorsRule::kOffsetsOrder, "tensor '", name, "': begins at ", entry.begin, " and ends before, at ",
           entry.end);
    if (entry.end > buffer_size())
      fail(SafetensorsRule::kOffsetsBeyondFile, "tensor '", name, "': ends at byte ", entry.end, " of ", buffer_size(),
           " (truncated?)");
    if (entry.end - entry.begin != total_bits / 8)
      fail(SafetensorsRule::kSizeMismatch, "tensor '", name, "': ", entry.dtype, " ", shape_text, " needs ",
           total_bits / 8, " bytes, found ", entry.end - entry.begin);
  }

  void check_tiling(const std::vector<SafetensorsEntry>& entries) const {
    std::uint64_t at = 0;
    for (const SafetensorsEntry& entry : entries) {
      if (entry.begin != at)
        fail(SafetensorsRule::kHoleOrOverlap, "tensor '", entry.name, "': begins at byte ", entry.begin,
             " where the one before ends at ", at);
      at = entry.end;
    }
    if (at != buffer_size())
      fail(SafetensorsRule::kTrailingBytes, "its tensors end at byte ", at, " of a buffer of ", buffer_size());
  }

  const std::string& path_;
  std::uint64_t size_, header_size_ = 0;
  const ReadRange& read_;
};

}  // namespace

SafetensorsHeader read_safetensors_header(const std::string& path, std::uint64_t size, const ReadRange& read) {
  return HeaderParser(path, size, read).parse();
}

}  // namespace attune
