#include "engine/data/dataset_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"
#include "json/value.h"

namespace attune {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr const char *kLabelText = "labels", *kLabelDigest = "labels_sha256", *kDigest = "sha256";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// Calls take(block) for the bytes [begin, begin + size) of a file. Read, not mapped: pages once used would count as
// this process's memory. False if they cannot be read.
template <class Take>
bool read_blocks(int fd, std::size_t begin, std::size_t size, Take take) {
  std::vector<std::byte> block(std::min(size, kBlock));
  while (size > 0) {
    const ssize_t n = pread(fd, block.data(), std::min(size, block.size()), static_cast<off_t>(begin));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    take(std::span<const std::byte>(block).first(static_cast<std::size_t>(n)));
    begin += static_cast<std::size_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

int memory_file() {
  const int fd = memfd_create("attune", MFD_CLOEXEC);
  if (fd < 0) throw IoError("a file in memory", std::string("cannot be created: ") + std::strerror(errno));
  return fd;
}

std::span<const std::byte> bytes_of(const Tensor& x) {
  return {static_cast<const std::byte*>(x.raw()), x.bytes()};
}

// The digest of a data set, from those of its tensors by name.
std::string digest_of(const std::map<std::string, std::string>& parts) {
  Sha256 out;
  for (const auto& [name, digest] : parts) out.update(name + " " + digest + "\n");
  return out.hex();
}

const char* spelled(DType dtype) {
  return dtype == DType::kInt64 ? "I64" : dtype == DType::kInt32 ? "I32" : "F32";
}

}  // namespace

// int32 values in an anonymous file, and their digest.
struct DatasetWriter::Column {
  explicit Column(const std::string& folder)
      : file(folder.empty() ? -1 : open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
    if (file.get() < 0) file.reset(memory_file());
  }

  void add(std::span<const std::int32_t> values) {
    const auto bytes = std::as_bytes(values);
    if (!write_all(file.get(), bytes)) {  // the disk is full: continue in memory
      const int memory = memory_file();
      bool written = true;
      const bool read = read_blocks(file.get(), 0, static_cast<std::size_t>(count) * sizeof(std::int32_t),
                                    [&](auto block) { written = written && write_all(memory, block); });
      file.reset(memory);
      if (!read || !written || !write_all(memory, bytes))
        throw IoError("a file in memory", std::string("cannot be written: ") + std::strerror(errno));
    }
    digest.update(bytes);
    count += static_cast<std::int64_t>(values.size());
  }

  Tensor map() const {
    if (count == 0) return Tensor::empty({0}, DType::kInt32);
    return Tensor::over(Storage::map(file.get(), static_cast<std::size_t>(count) * sizeof(std::int32_t)), 0, {count},
                        DType::kInt32);
  }

  Descriptor file;
  Sha256 digest;
  std::int64_t count = 0;
};

DatasetWriter::DatasetWriter(const std::string& folder, bool with_type_ids)
    : ids_(std::make_unique<Column>(folder)), type_ids_(with_type_ids ? std::make_unique<Column>(folder) : nullptr) {}
DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::add(std::span<const std::int64_t> lengths, std::span<const std::int32_t> ids,
                        std::span<const std::int32_t> type_ids) {
  for (const std::int64_t length : lengths) starts_.push_back(starts_.back() + length);
  ids_->add(ids);
  if (type_ids_) type_ids_->add(type_ids);
}

Dataset DatasetWriter::finish(const std::string& name, const Tensor& labels) {
  Dataset out{.name = name,
              .ids = ids_->map(),
              .starts = Tensor::from(starts_, {static_cast<std::int64_t>(starts_.size())}),
              .type_ids = type_ids_ ? type_ids_->map() : Tensor(),
              .labels = labels};
  std::map<std::string, std::string> parts = {{"ids", ids_->digest.hex()},
                                              {"starts", sha256_hex(bytes_of(out.starts))}};
  if (type_ids_) parts["type_ids"] = type_ids_->digest.hex();
  if (labels.defined()) parts["labels"] = sha256_hex(bytes_of(labels));
  out.digest = digest_of(parts);
  return out;
}

void DatasetWriter::write(const std::string& path, const Dataset& finished, const std::string& label_text) const {
  struct Part {
    const char* name;
    const Tensor& tensor;
    const Column* column;  // the file of the values, or none: in memory
  };
  std::vector<Part> parts = {{"starts", finished.starts, nullptr}, {"ids", finished.ids, ids_.get()}};
  if (finished.labels.defined()) parts.push_back({"labels", finished.labels, nullptr});
  if (type_ids_) parts.push_back({"type_ids", finished.type_ids, type_ids_.get()});
  json::Value header = json::Value::object();
  std::size_t at = 0;
  for (const Part& part : parts) {
    json::Value shape = json::Value::array();
    for (int i = 0; i < part.tensor.shape().rank(); ++i) shape.push_back(part.tensor.shape()[i]);
    header.set(part.name, json::Value::object({{"dtype", spelled(part.tensor.dtype())},
                                               {"shape", shape},
                                               {"data_offsets", json::Value::array({at, at + part.tensor.bytes()})}}));
    at += part.tensor.bytes();
  }
  header.set("__metadata__",
             json::Value::object(
                 {{kDigest, finished.digest}, {kLabelText, label_text}, {kLabelDigest, sha256_hex(label_text)}}));
  std::string text = header.dump();
  text.resize(ceil_div<std::size_t>(text.size(), 8) * 8, ' ');
  AtomicFile file(path);
  const std::uint64_t size = text.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(text);
  for (const Part& part : parts) {
    if (part.column == nullptr)
      file.write(bytes_of(part.tensor));
    else if (!read_blocks(part.column->file.get(), 0, part.tensor.bytes(), [&](auto block) { file.write(block); }))
      throw IoError(path, "what was made for it cannot be read again");
  }
  file.commit();
}

namespace {

StoredDataset read_dataset(const std::string& path, const std::string& name) {
  const SafetensorsFile file(path);
  const Descriptor bytes(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  CHECK(bytes.get() >= 0 && fstat(bytes.get(), &info) == 0, path, ": cannot be read");
  const auto total = static_cast<std::size_t>(info.st_size);
  const std::size_t front = total - (file.entries().empty() ? 0 : file.entries().back().end);
  const std::shared_ptr<Storage> storage = Storage::map(bytes.get(), total);
  std::map<std::string, std::string> parts;
  const auto tensor = [&](const char* what, bool needed) {
    const SafetensorsEntry* entry = file.find(what);
    CHECK(entry != nullptr || !needed, path, ": there is no tensor '", what, "'");
    if (entry == nullptr) return Tensor();
    Sha256 digest;
    CHECK(read_blocks(bytes.get(), front + entry->begin, entry->end - entry->begin,
                      [&](auto block) { digest.update(block); }),
          path, ": cannot be read");
    parts[what] = digest.hex();
    Shape shape;
    for (const std::int64_t extent : entry->shape) shape.append(extent);
    for (const DType dtype : {DType::kInt32, DType::kInt64, DType::kFloat32})
      if (entry->dtype == spelled(dtype)) return Tensor::over(storage, front + entry->begin, shape, dtype);
    throw Error(str_cat(path, ": '", what, "' is of dtype ", entry->dtype));
  };
  const auto text_of = [&](const char* key) {
    const auto found = file.metadata().find(key);
    CHECK(found != file.metadata().end(), path, ": its metadata have no '", key, "'");
    return found->second;
  };
  StoredDataset out{.dataset = {.name = name,
                                .ids = tensor("ids", true),
                                .starts = tensor("starts", true),
                                .type_ids = tensor("type_ids", false),
                                .labels = tensor("labels", false)},
                    .label_text = text_of(kLabelText)};
  CHECK(text_of(kLabelDigest) == sha256_hex(out.label_text), path, ": the text of the labels is damaged");
  out.dataset.digest = digest_of(parts);
  CHECK(text_of(kDigest) == out.dataset.digest, path, ": its tensors are damaged");
  out.dataset.check();
  return out;
}

}  // namespace

std::optional<StoredDataset> open_dataset(const std::string& path, const std::string& name) {
  try {
    return read_dataset(path, name);
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace attune
