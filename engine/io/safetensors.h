// The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes without holes.
//
// A file is checked completely when it is opened (engine/io/safetensors_header.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "engine/io/files.h"
#include "engine/io/safetensors_header.h"
#include "engine/tensor/tensor.h"

namespace attune {

class SafetensorsFile {
 public:
  /// Opens and checks a file. Throws IoError if it cannot be read, SafetensorsError if it breaks a rule.
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;

  const std::string& path() const;
  /// All tensors, in the order of their bytes.
  const std::vector<SafetensorsEntry>& entries() const;
  const std::map<std::string, std::string>& metadata() const;
  /// The entry of a tensor, or null.
  const SafetensorsEntry* find(std::string_view name) const;
  // What reads tensors throws IoError if the file has become shorter, or cannot be read.

  /// A tensor's bytes: little-endian, row-major.
  std::vector<std::byte> bytes(const SafetensorsEntry& entry) const;
  /// Calls take(block) for the same bytes, in blocks of at most 1 MiB.
  void read_blocks(const SafetensorsEntry& entry, const TakeBytes& take) const;
  /// Their SHA-256.
  std::string digest(const SafetensorsEntry& entry) const;
  /// Throws Error naming file and tensor if it is not `expected`. Several threads may check at once.
  void check(const SafetensorsEntry& entry, const std::string& expected) const;
  /// Throws Error naming file and tensor if the metadata has its SHA-256 (write_safetensors_with_digests), and it is another
  /// one. No reading does this by itself.
  void check(const SafetensorsEntry& entry) const;
  /// A tensor converted to float32 or float64 (from F16, BF16, F32, F64) or to int32 (from I64, I32, I16, I8, U8,
  /// BOOL). Throws Error naming file and tensor if its kind is another, or an integer does not fit.
  Tensor read(const SafetensorsEntry& entry, DType dtype) const;
  /// The same of its rows [begin, end), along the first dimension. Several threads may read at once.
  Tensor read_rows(const SafetensorsEntry& entry, DType dtype, std::int64_t begin, std::int64_t end) const;
  /// A tensor as the file has it, of F32, F64, BF16, I32 or I64. Throws Error naming file and tensor if its kind is
  /// another.
  Tensor read(const SafetensorsEntry& entry) const;
  /// The same over the mapped file (base/mapping.h), read-only, which lives as long as the tensor. The entry must be
  /// aligned.
  Tensor map(const SafetensorsEntry& entry) const;
  /// By name; throws Error if there is none.
  Tensor read(std::string_view name, DType dtype) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A tensor of any device to be written under a name.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// A tensor to be written whose bytes are made meanwhile: read(take) passes them on in order.
struct TensorSource {
  std::string name;
  DType dtype;
  Shape shape;
  std::function<void(const TakeBytes& take)> read;
};
TensorSource source_of(const NamedTensor& named);

using Metadata = std::map<std::string, std::string>;
/// Makes a file's metadata of the SHA-256 of every tensor's bytes, by name. Called twice, with zeros for the digests
/// first; both results must be as long.
using MetadataOfDigests = std::function<Metadata(const std::map<std::string, std::string>& digests)>;

/// Writes a file atomically: header padded to a multiple of 8 bytes, wider types first, then by name. Only one tensor
/// at a time is copied to the host. Throws IoError, or Error if a name comes twice or a source does not pass on exactly
/// its tensor's bytes.
void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata);
/// The same to a file that the caller commits.
void write_safetensors(AtomicFile& file, const std::vector<NamedTensor>& tensors, const Metadata& metadata);
void write_safetensors(AtomicFile& file, std::vector<TensorSource> tensors, const Metadata& metadata);
/// The same with the SHA-256 of every tensor in the metadata, under `attune_sha256`.
void write_safetensors_with_digests(AtomicFile& file, const std::vector<NamedTensor>& tensors,
                                    const Metadata& metadata);
/// With metadata that depends on these digests.
void write_safetensors_given_digests(const std::string& path, std::vector<TensorSource> tensors,
                                     const MetadataOfDigests& metadata);

}  // namespace attune
