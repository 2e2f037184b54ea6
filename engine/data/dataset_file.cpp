#include "engine/data/dataset_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/descriptor.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/io/sha256.h"

namespace attune {
namespace {

constexpr const char *kLabelText = "labels", *kLabelDigest = "labels_sha256", *kDigest = "sha256",
                     *kMarksDigest = "marks_sha256";

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

}  // namespace

// int32 values in an anonymous file, and their digest.
struct DatasetWriter::Column {
  explicit Column(const std::string& folder)
      : name(folder.empty() ? "token ids in memory" : "a file of token ids without a name in " + folder),
        file(folder.empty() ? -1 : open_descriptor(folder, O_TMPFILE | O_RDWR, 0600)) {
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
    return Tensor::over(Storage::map(file.get(), static_cast<std::size_t>(count) * sizeof(std::int32_t), name), 0,
                        {count}, DType::kInt32);
  }

  std::string name;
  Descriptor file;
  Sha256 digest;
  std::int64_t count = 0;
};

DatasetWriter::DatasetWriter(const std::string& folder, bool with_type_ids)
    : ids_(std::make_unique<Column>(folder)), type_ids_(with_type_ids ? std::make_unique<Column>(folder) : nullptr) {}
DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::add(std::span<const std::int64_t> lengths, std::span<const std::int32_t> ids,
                        std::span<const std::int32_t> type_ids, std::span<const std::int64_t> windows) {
  for (const std::int64_t length : lengths) starts_.push_back(starts_.back() + length);
  if (!windows.empty() && windows_.empty()) windows_.push_back(0);
  for (const std::int64_t count : windows) windows_.push_back(windows_.back() + count);
  ids_->add(ids);
  if (type_ids_) type_ids_->add(type_ids);
}

Dataset DatasetWriter::finish(const std::string& name, const Tensor& labels) {
  Dataset out{.name = name,
              .ids = ids_->map(),
              .starts = Tensor::from(starts_, {static_cast<std::int64_t>(starts_.size())}),
              .type_ids = type_ids_ ? type_ids_->map() : Tensor(),
              .labels = labels};
  if (!windows_.empty()) out.windows = Tensor::from(windows_, {std::ssize(windows_)});
  std::map<std::string, std::string> parts = {{"ids", ids_->digest.hex()},
                                              {"starts", sha256_hex(bytes_of(out.starts))}};
  if (type_ids_) parts["type_ids"] = type_ids_->digest.hex();
  if (labels.defined()) parts["labels"] = sha256_hex(bytes_of(labels));
  if (out.windows.defined()) parts["windows"] = sha256_hex(bytes_of(out.windows));
  out.digest = digest_of(parts);
  return out;
}

void DatasetWriter::write(const std::string& path, const Dataset& finished, const std::string& label_text) const {
  const auto column = [&](const char* name, const Column& from, const Tensor& to) {
    const std::size_t bytes = to.bytes();
    return TensorSource{name, to.dtype(), to.shape(), [&path, &from, bytes](const TakeBytes& take) {
                          if (!read_blocks(from.file.get(), 0, bytes, take))
                            throw IoError(path, "what was made for it cannot be read again");
                        }};
  };
  std::vector<TensorSource> parts = {source_of({"starts", finished.starts}), column("ids", *ids_, finished.ids)};
  if (finished.labels.defined()) parts.push_back(source_of({"labels", finished.labels}));
  if (type_ids_) parts.push_back(column("type_ids", *type_ids_, finished.type_ids));
  if (finished.windows.defined()) parts.push_back(source_of({"windows", finished.windows}));
  Metadata metadata = {{kDigest, finished.digest}, {kLabelText, label_text}, {kLabelDigest, sha256_hex(label_text)}};
  if (finished.marks.defined()) {
    parts.push_back(source_of({"marks", finished.marks}));
    metadata[kMarksDigest] = sha256_hex(bytes_of(finished.marks));
  }
  AtomicFile file(path);
  write_safetensors(file, std::move(parts), metadata);
  file.commit();
}

StoredDataset open_dataset(const std::string& path, const std::string& name) {
  const SafetensorsFile file(path);
  std::map<std::string, std::string> parts;
  const auto tensor = [&](const char* what, bool needed) {
    const SafetensorsEntry* entry = file.find(what);
    CHECK(entry != nullptr || !needed, path, ": there is no tensor '", what, "'");
    if (entry == nullptr) return Tensor();
    parts[what] = file.digest(*entry);
    return file.map(*entry);
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
  out.dataset.windows = tensor("windows", false);
  CHECK(text_of(kLabelDigest) == sha256_hex(out.label_text), path, ": the text of the labels is damaged");
  out.dataset.digest = digest_of(parts);
  CHECK(text_of(kDigest) == out.dataset.digest, path, ": its tensors are damaged");
  if (const SafetensorsEntry* marks = file.find("marks")) {
    CHECK(text_of(kMarksDigest) == file.digest(*marks), path, ": the marks of its texts are damaged");
    out.dataset.marks = file.map(*marks);
  }
  out.dataset.check();
  return out;
}

}  // namespace attune
