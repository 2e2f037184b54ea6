#include "engine/io/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/bfloat16.h"
#include "base/descriptor.h"
#include "base/float16.h"
#include "base/input_file.h"
#include "base/math.h"
#include "engine/io/sha256.h"
#include "json/value.h"

namespace attune {
namespace {

constexpr const char* kDigests = "attune_sha256";  // in the metadata: an object of tensors and their SHA-256

// Element i of unaligned little-endian bytes.
template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

// Tensors are read and converted block by block: `read` passes on their bytes, in blocks that end between elements.
using ReadBlocks = std::function<void(const TakeBytes& take)>;

template <class From, class Convert>
void convert_floats(const ReadBlocks& read, const Tensor& out, Convert convert) {
  dispatch_float(out.dtype(), "safetensors", [&]<class To>() {
    auto* to = out.values<To>().data();
    read([&](std::span<const std::byte> block) {
      for (std::size_t i = 0; i < block.size() / sizeof(From); ++i)
        *to++ = static_cast<To>(convert(load<From>(block, i)));
    });
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
  static const std::map<DType, std::string> names = {{DType::kFloat32, "F32"},
                                                     {DType::kFloat64, "F64"},
                                                     {DType::kBFloat16, "BF16"},
                                                     {DType::kInt32, "I32"},
                                                     {DType::kInt64, "I64"}};
  return names;
}

DType dtype_of_entry(const std::string& path, const SafetensorsEntry& entry) {
  const auto type = std::ranges::find(written_types(), entry.dtype, [](const auto& known) { return known.second; });
  CHECK(type != written_types().end(), place_of(path, entry), " is of dtype ", entry.dtype);
  return type->first;
}

// `where` names file and tensor.
template <class From>
void convert_integers(const ReadBlocks& read, const Tensor& out, const std::string& where) {
  auto* to = out.values<std::int32_t>().data();
  read([&](std::span<const std::byte> block) {
    for (std::size_t i = 0; i < block.size() / sizeof(From); ++i) {
      const From value = load<From>(block, i);
      CHECK(std::in_range<std::int32_t>(value), where, " holds ", +value, ", which does not fit int32");
      *to++ = static_cast<std::int32_t>(value);
    }
  });
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "safetensors files are read as they lie in memory");

struct SafetensorsFile::Impl {
  explicit Impl(const std::string& file)
      : path(file), descriptor(open_descriptor(file, O_RDONLY | O_NONBLOCK)) {  // a FIFO would block
    if (descriptor.get() < 0) throw IoError(path, std::strerror(errno));
    struct stat info {};
    if (fstat(descriptor.get(), &info) != 0) throw IoError(path, std::strerror(errno));
    if (!S_ISREG(info.st_mode)) throw IoError(path, kNotRegular);
    size = static_cast<std::size_t>(info.st_size);
    header = read_safetensors_header(
        path, size, [this](std::uint64_t begin, std::uint64_t n, const TakeBytes& take) { read(begin, n, take); });
    read_digests();
  }
  void read_digests() {
    const auto text = header.metadata.find(kDigests);
    if (text == header.metadata.end()) return;
    json::parse(text->second, path + ": " + kDigests).for_each([&](const std::string& name, const json::Value& digest) {
      digests[name] = digest.string();
    });
    for (const SafetensorsEntry& entry : header.entries)
      CHECK(digests.contains(entry.name), path, ": ", kDigests, " has no digest of the tensor '", entry.name, "'");
    CHECK(digests.size() == header.entries.size(), path, ": ", kDigests, " has digests of tensors that are not there");
  }
  void read(std::uint64_t begin, std::uint64_t n, const TakeBytes& take) const {
    if (!attune::read_blocks(descriptor.get(), begin, n, take)) throw IoError(path, read_failure(errno));
  }
  // Where an entry begins in the file.
  std::size_t offset_of(const SafetensorsEntry& entry) const {
    return static_cast<std::size_t>(header.buffer_begin + entry.begin);
  }

  std::string path;
  Descriptor descriptor;
  std::size_t size = 0;
  std::shared_ptr<Storage> mapped;  // the whole file, from the first map() on
  SafetensorsHeader header;
  std::map<std::string, std::string> digests;
};

SafetensorsFile::SafetensorsFile(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;

const std::string& SafetensorsFile::path() const {
  return impl_->path;
}
const std::vector<SafetensorsEntry>& SafetensorsFile::entries() const {
  return impl_->header.entries;
}
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return impl_->header.metadata;
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::ranges::find(impl_->header.entries, name, &SafetensorsEntry::name);
  return found == impl_->header.entries.end() ? nullptr : &*found;
}

std::vector<std::byte> SafetensorsFile::bytes(const SafetensorsEntry& entry) const {
  std::vector<std::byte> out;
  read_blocks(entry, [&](std::span<const std::byte> block) { out.insert(out.end(), block.begin(), block.end()); });
  return out;
}

void SafetensorsFile::read_blocks(const SafetensorsEntry& entry, const TakeBytes& take) const {
  impl_->read(impl_->offset_of(entry), entry.end - entry.begin, take);
}

std::string SafetensorsFile::digest(const SafetensorsEntry& entry) const {
  Sha256 out;
  read_blocks(entry, [&](std::span<const std::byte> block) { out.update(block); });
  return out.hex();
}

void SafetensorsFile::check(const SafetensorsEntry& entry, const std::string& expected) const {
  const std::string found = digest(entry);
  CHECK(found == expected, path(), ": the tensor '", entry.name, "' is damaged, or was changed by a program that kept ",
        "its old digest: its SHA-256 is ", found, ", not ", expected);
}

void SafetensorsFile::check(const SafetensorsEntry& entry) const {
  const auto expected = impl_->digests.find(entry.name);
  if (expected != impl_->digests.end()) check(entry, expected->second);
}

Tensor SafetensorsFile::read(const SafetensorsEntry& entry, DType dtype) const {
  const std::string where = place_of(path(), entry);
  const Tensor out = Tensor::empty(shape_of(path(), entry), dtype);
  const ReadBlocks raw = [&](const TakeBytes& take) { read_blocks(entry, take); };
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

Tensor SafetensorsFile::read_rows(const SafetensorsEntry& entry, DType dtype, std::int64_t begin,
                                  std::int64_t end) const {
  const std::int64_t rows = entry.shape.empty() ? 0 : entry.shape[0];
  CHECK(0 <= begin && begin < end && end <= rows, place_of(path(), entry), ": there are no rows ", begin, " .. ", end,
        " of ", rows);
  const std::uint64_t row_bytes = (entry.end - entry.begin) / static_cast<std::uint64_t>(rows);
  SafetensorsEntry part = entry;
  part.shape[0] = end - begin;
  part.begin = entry.begin + static_cast<std::uint64_t>(begin) * row_bytes;
  part.end = entry.begin + static_cast<std::uint64_t>(end) * row_bytes;
  return read(part, dtype);
}

Tensor SafetensorsFile::read(const SafetensorsEntry& entry) const {
  const Tensor out = Tensor::empty(shape_of(path(), entry), dtype_of_entry(path(), entry));
  auto* to = static_cast<std::byte*>(out.raw());
  read_blocks(entry, [&](std::span<const std::byte> block) { to = std::ranges::copy(block, to).out; });
  return out;
}

Tensor SafetensorsFile::map(const SafetensorsEntry& entry) const {
  const DType dtype = dtype_of_entry(path(), entry);
  const std::size_t offset = impl_->offset_of(entry);
  CHECK(offset % size_of(dtype) == 0, place_of(path(), entry), " is not aligned");
  if (!impl_->mapped) impl_->mapped = Storage::map(impl_->descriptor.get(), impl_->size, path());
  return Tensor::over(impl_->mapped, offset, shape_of(path(), entry), dtype);
}

Tensor SafetensorsFile::read(std::string_view name, DType dtype) const {
  const SafetensorsEntry* entry = find(name);
  CHECK(entry != nullptr, path(), ": there is no tensor '", name, "'");
  return read(*entry, dtype);
}

namespace {

std::size_t bytes_of(const TensorSource& source) {
  return static_cast<std::size_t>(source.shape.numel()) * size_of(source.dtype);
}

// The header of a file, padded; the tensors' bytes follow in their order.
std::string header_text(const std::string& path, const std::vector<TensorSource>& tensors, const Metadata& metadata) {
  std::vector<json::Value::Member> header;
  if (!metadata.empty()) {
    json::Value texts = json::Value::object();
    for (const auto& [key, text] : metadata) texts.set(key, text);
    header.emplace_back("__metadata__", std::move(texts));
  }
  std::set<std::string_view> names_taken = {"__metadata__"};
  std::size_t at = 0;
  for (const TensorSource& source : tensors) {
    CHECK(names_taken.insert(source.name).second, path, ": two tensors are named '", source.name, "'");
    json::Value shape = json::Value::array();
    for (int i = 0; i < source.shape.rank(); ++i) shape.push_back(source.shape[i]);
    const std::size_t end = at + bytes_of(source);
    header.emplace_back(source.name, json::Value::object({{"dtype", written_types().at(source.dtype)},
                                                          {"shape", std::move(shape)},
                                                          {"data_offsets", json::Value::array({at, end})}}));
    at = end;
  }
  std::string text = json::Value::object(std::move(header)).dump();
  text.resize(ceil_div<std::size_t>(text.size(), 8) * 8, ' ');
  return text;
}

void write_to(AtomicFile& file, std::vector<TensorSource> tensors, const MetadataOfDigests& metadata, bool digested) {
  const std::string& path = file.path();
  std::ranges::sort(tensors, [](const TensorSource& a, const TensorSource& b) {
    return std::pair(size_of(b.dtype), a.name) < std::pair(size_of(a.dtype), b.name);
  });
  std::map<std::string, std::string> digests;
  for (const TensorSource& source : tensors) digests[source.name] = std::string(64, '0');
  const std::string header = header_text(path, tensors, metadata(digests));

  const std::uint64_t size = header.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(header);
  for (const TensorSource& source : tensors) {
    Sha256 digest;
    std::size_t passed = 0;
    source.read([&](std::span<const std::byte> bytes) {
      passed += bytes.size();
      if (digested) digest.update(bytes);
      file.write(bytes);
    });
    CHECK(passed == bytes_of(source), path, ": the tensor '", source.name, "' has ", bytes_of(source),
          " bytes, but its source passes on ", passed);
    if (digested) digests[source.name] = digest.hex();
  }
  if (digested) {
    const std::string with_digests = header_text(path, tensors, metadata(digests));
    CHECK(with_digests.size() == header.size(), path, ": metadata of ", with_digests.size(), " bytes for ",
          header.size());
    file.write_at(sizeof(size), with_digests);
  }
}

std::vector<TensorSource> sources_of(const std::vector<NamedTensor>& tensors) {
  std::vector<TensorSource> out;
  for (const NamedTensor& named : tensors) out.push_back(source_of(named));
  return out;
}

}  // namespace

TensorSource source_of(const NamedTensor& named) {
  const Tensor tensor = named.tensor;
  return {named.name, tensor.dtype(), tensor.shape(), [tensor](const TakeBytes& take) {
            const Tensor host = tensor.to(Device::kCpu);
            take({static_cast<const std::byte*>(host.raw()), host.bytes()});
          }};
}

void write_safetensors(AtomicFile& file, std::vector<TensorSource> tensors, const Metadata& metadata) {
  write_to(
      file, std::move(tensors), [&](const auto&) { return metadata; }, false);
}

void write_safetensors(AtomicFile& file, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  write_safetensors(file, sources_of(tensors), metadata);
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  AtomicFile file(path);
  write_safetensors(file, tensors, metadata);
  file.commit();
}

void write_safetensors_with_digests(AtomicFile& file, const std::vector<NamedTensor>& tensors,
                                    const Metadata& metadata) {
  const auto with_digests = [&](const std::map<std::string, std::string>& digests) {
    json::Value texts = json::Value::object();
    for (const auto& [name, digest] : digests) texts.set(name, digest);
    Metadata out = metadata;
    out[kDigests] = texts.dump();
    return out;
  };
  write_to(file, sources_of(tensors), with_digests, true);
}

void write_safetensors_given_digests(const std::string& path, std::vector<TensorSource> tensors,
                                     const MetadataOfDigests& metadata) {
  AtomicFile file(path);
  write_to(file, std::move(tensors), metadata, true);
  file.commit();
}

}  // namespace attune
