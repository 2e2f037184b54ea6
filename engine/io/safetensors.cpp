#include "engine/io/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "base/bfloat16.h"
#include "base/float16.h"
#include "base/math.h"
#include "base/utf8.h"
#include "engine/io/sha256.h"
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

// A read-only mapping of a whole file.
class Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw IoError(path, std::strerror(errno));
    struct stat info {};
    const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    size_ = regular ? static_cast<std::size_t>(info.st_size) : 0;
    void* mapped = size_ > 0 ? mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
    const int error = errno;
    close(fd);
    if (!regular) throw IoError(path, "is not a regular file");
    if (mapped == MAP_FAILED) throw IoError(path, std::string("cannot be mapped: ") + std::strerror(error));
    data_ = static_cast<const std::byte*>(mapped);
  }
  ~Mapping() {
    if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

std::uint64_t load_u64(const std::byte* bytes) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

// Reads one file's header; every failure names the file.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, std::span<const std::byte> file) : path_(path), file_(file) {}

  void parse(std::vector<SafetensorsEntry>& entries, std::map<std::string, std::string>& metadata) {
    read_header().for_each([&](const std::string& name, const json::Value& value) {
      if (name == "__metadata__")
        read_metadata(value, metadata);
      else
        entries.push_back(read_entry(name, value));
    });
    std::ranges::sort(entries, {}, [](const SafetensorsEntry& e) { return std::pair(e.begin, e.end); });
    check_tiling(entries);
  }

  std::span<const std::byte> buffer() const { return file_.subspan(8 + header_size_); }

 private:
  template <class... Args>
  [[noreturn]] void fail(SafetensorsRule rule, const Args&... what) const {
    throw SafetensorsError(rule, str_cat(path_, ": not a valid safetensors file: ", what...));
  }

  json::Value read_header() {
    if (file_.size() < 8)
      fail(SafetensorsRule::kFileTooSmall, "it has ", file_.size(), " bytes, at least 8 are needed");
    const std::uint64_t size = load_u64(file_.data());
    if (size > kMaxHeader)
      fail(SafetensorsRule::kHeaderTooLarge, "its header claims ", size, " bytes, at most ", kMaxHeader,
           " are allowed");
    if (size > file_.size() - 8)
      fail(SafetensorsRule::kHeaderBeyondFile, "its header claims ", size, " bytes, but only ", file_.size() - 8,
           " follow (truncated?)");
    header_size_ = static_cast<std::size_t>(size);
    const std::string_view text(reinterpret_cast<const char*>(file_.data()) + 8, header_size_);
    if (text.empty() || text.front() != '{') fail(SafetensorsRule::kHeaderStart, "its header does not start with '{'");
    if (utf8_error(text)) fail(SafetensorsRule::kHeaderNotUtf8, "its header is not valid UTF-8");
    return parse_json(text);
  }

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
    if (entry.end > buffer().size())
      fail(SafetensorsRule::kOffsetsBeyondFile, "tensor '", name, "': ends at byte ", entry.end, " of ",
           buffer().size(), " (truncated?)");
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
    if (at != buffer().size())
      fail(SafetensorsRule::kTrailingBytes, "its tensors end at byte ", at, " of a buffer of ", buffer().size());
  }

  const std::string& path_;
  std::span<const std::byte> file_;
  std::size_t header_size_ = 0;
};

// Element i of unaligned little-endian bytes.
template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

template <class From, class Convert>
void convert_floats(std::span<const std::byte> bytes, const Tensor& out, Convert convert) {
  dispatch_float(out.dtype(), "safetensors", [&]<class To>() {
    auto values = out.values<To>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<To>(convert(load<From>(bytes, i)));
  });
}

// File and tensor, for messages.
std::string place_of(const std::string& path, const SafetensorsEntry& entry) {
  return path + ": tensor '" + entry.name + "'";
}

Shape shape_of(const std::string& path, const SafetensorsEntry& entry) {
  CHECK(entry.shape.size() <= static_cast<std::size_t>(Shape::kMaxRank), place_of(path, entry), " has ",
        entry.shape.size(), " dimensions, at most ", Shape::kMaxRank, " are supported");
  Shape shape;
  for (const std::int64_t size : entry.shape) shape.append(size);
  return shape;
}

// Types that are written, by their names in a file.
const std::map<DType, std::string>& written_types() {
  static const std::map<DType, std::string> names = {
      {DType::kFloat32, "F32"}, {DType::kFloat64, "F64"}, {DType::kBFloat16, "BF16"}, {DType::kInt32, "I32"}};
  return names;
}

// `where` names file and tensor.
template <class From>
void convert_integers(std::span<const std::byte> bytes, const Tensor& out, const std::string& where) {
  auto values = out.values<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const From value = load<From>(bytes, i);
    CHECK(std::in_range<std::int32_t>(value), where, " holds ", +value, ", which does not fit int32");
    values[i] = static_cast<std::int32_t>(value);
  }
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "safetensors files are read as they lie in memory");

struct SafetensorsFile::Impl {
  explicit Impl(const std::string& file) : path(file), mapping(file) {
    HeaderParser parser(path, mapping.bytes());
    parser.parse(entries, metadata);
    buffer = parser.buffer();
  }
  std::string path;
  Mapping mapping;
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
  std::span<const std::byte> buffer;
};

SafetensorsFile::SafetensorsFile(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;

const std::string& SafetensorsFile::path() const {
  return impl_->path;
}
const std::vector<SafetensorsEntry>& SafetensorsFile::entries() const {
  return impl_->entries;
}
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return impl_->metadata;
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::ranges::find(impl_->entries, name, &SafetensorsEntry::name);
  return found == impl_->entries.end() ? nullptr : &*found;
}

std::span<const std::byte> SafetensorsFile::bytes(const SafetensorsEntry& entry) const {
  return impl_->buffer.subspan(static_cast<std::size_t>(entry.begin),
                               static_cast<std::size_t>(entry.end - entry.begin));
}

Tensor SafetensorsFile::read(const SafetensorsEntry& entry, DType dtype) const {
  const std::string where = place_of(path(), entry);
  const Tensor out = Tensor::empty(shape_of(path(), entry), dtype);
  const auto raw = bytes(entry);
  const std::string& from = entry.dtype;
  const bool to_int = dtype == DType::kInt32;
  if (!to_int && from == "F32")
    convert_floats<float>(raw, out, [](float x) { return x; });
  else if (!to_int && from == "F64")
    convert_floats<double>(raw, out, [](double x) { return x; });
  else if (!to_int && from == "F16")
    convert_floats<Float16>(raw, out, [](Float16 x) { return to_float(x); });
  else if (!to_int && from == "BF16")
    convert_floats<BFloat16>(raw, out, [](BFloat16 x) { return to_float(x); });
  else if (to_int && from == "I64")
    convert_integers<std::int64_t>(raw, out, where);
  else if (to_int && from == "I32")
    convert_integers<std::int32_t>(raw, out, where);
  else if (to_int && from == "I16")
    convert_integers<std::int16_t>(raw, out, where);
  else if (to_int && from == "I8")
    convert_integers<std::int8_t>(raw, out, where);
  else if (to_int && (from == "U8" || from == "BOOL"))
    convert_integers<std::uint8_t>(raw, out, where);
  else
    throw Error(str_cat(where, " of dtype ", from, " cannot be read as ", dtype));
  return out;
}

Tensor SafetensorsFile::read(const SafetensorsEntry& entry) const {
  const auto type = std::ranges::find(written_types(), entry.dtype, [](const auto& known) { return known.second; });
  CHECK(type != written_types().end(), place_of(path(), entry), " is of dtype ", entry.dtype);
  const Tensor out = Tensor::empty(shape_of(path(), entry), type->first);
  const auto raw = bytes(entry);
  copy_bytes({out.raw(), Device::kCpu}, {raw.data(), Device::kCpu}, raw.size());
  return out;
}

Tensor SafetensorsFile::read(std::string_view name, DType dtype) const {
  const SafetensorsEntry* entry = find(name);
  CHECK(entry != nullptr, path(), ": there is no tensor '", name, "'");
  return read(*entry, dtype);
}

namespace {

// The header of a file, padded; the tensors' bytes follow in their order.
std::string header_text(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  std::vector<json::Value::Member> header;
  if (!metadata.empty()) {
    json::Value texts = json::Value::object();
    for (const auto& [key, text] : metadata) texts.set(key, text);
    header.emplace_back("__metadata__", std::move(texts));
  }
  std::set<std::string_view> names_taken = {"__metadata__"};
  std::size_t at = 0;
  for (const NamedTensor& named : tensors) {
    CHECK(names_taken.insert(named.name).second, path, ": two tensors are named '", named.name, "'");
    json::Value shape = json::Value::array();
    for (int i = 0; i < named.tensor.shape().rank(); ++i) shape.push_back(named.tensor.shape()[i]);
    header.emplace_back(named.name,
                        json::Value::object({{"dtype", written_types().at(named.tensor.dtype())},
                                             {"shape", std::move(shape)},
                                             {"data_offsets", json::Value::array({at, at + named.tensor.bytes()})}}));
    at += named.tensor.bytes();
  }
  std::string text = json::Value::object(std::move(header)).dump();
  text.resize(ceil_div<std::size_t>(text.size(), 8) * 8, ' ');
  return text;
}

void write_to(AtomicFile& file, std::vector<NamedTensor> tensors, const SealFn& seal, bool sealed) {
  const std::string& path = file.path();
  std::ranges::sort(tensors, [](const NamedTensor& a, const NamedTensor& b) {
    return std::pair(size_of(b.tensor.dtype()), a.name) < std::pair(size_of(a.tensor.dtype()), b.name);
  });
  std::map<std::string, std::string> digests;
  for (const NamedTensor& named : tensors) digests[named.name] = std::string(64, '0');
  const std::string header = header_text(path, tensors, seal(digests));

  const std::uint64_t size = header.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(header);
  for (const auto& [name, tensor] : tensors) {
    const Tensor host = tensor.to(Device::kCpu);
    const std::span bytes(static_cast<const std::byte*>(host.raw()), host.bytes());
    if (sealed) digests[name] = sha256_hex(bytes);
    file.write(bytes);
  }
  if (sealed) {
    const std::string with_digests = header_text(path, tensors, seal(digests));
    CHECK(with_digests.size() == header.size(), path, ": metadata of ", with_digests.size(), " bytes for ",
          header.size());
    file.write_at(sizeof(size), with_digests);
  }
}

}  // namespace

void write_safetensors(AtomicFile& file, std::vector<NamedTensor> tensors, const Metadata& metadata) {
  write_to(
      file, std::move(tensors), [&](const auto&) { return metadata; }, false);
}

void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors, const Metadata& metadata) {
  AtomicFile file(path);
  write_safetensors(file, std::move(tensors), metadata);
  file.commit();
}

void write_sealed_safetensors(const std::string& path, std::vector<NamedTensor> tensors, const SealFn& seal) {
  AtomicFile file(path);
  write_to(file, std::move(tensors), seal, true);
  file.commit();
}

}  // namespace attune
