#include "tests/fuzz/safetensors_mutator.h"

#include <openssl/sha.h>

#include <array>
#include <cstring>
#include <map>

#include "tests/fuzz/json_mutator.h"

namespace attune::fuzz {
namespace {

std::string sha256(const std::string& bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  std::string out;
  for (const unsigned char byte : digest) out += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return out;
}

std::string text_of(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::ignore);
}

struct Type {
  const char* name;  // in the file
  std::size_t bits;
  const char* ours;  // name_of(DType), or null
};
constexpr Type kTypes[] = {{"F32", 32, "float32"}, {"F64", 64, "float64"}, {"BF16", 16, "bfloat16"},
                           {"I32", 32, "int32"},   {"I64", 64, "int64"},   {"F16", 16, nullptr},
                           {"U8", 8, nullptr},     {"BOOL", 8, nullptr},   {"I8", 8, nullptr},
                           {"I16", 16, nullptr},   {"F4", 4, nullptr},     {"F6_E2M3", 6, nullptr}};

const Type* type_of(const Json& entry) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string()) return nullptr;
  for (const Type& type : kTypes)
    if (entry["dtype"] == type.name) return &type;
  return nullptr;
}

// A file in parts: the tensors' bytes by name.
struct File {
  Json header;
  std::map<std::string, std::string> tensors;
};

bool is_tensor(const std::string& name, const Json& entry) {
  return name != "__metadata__" && entry.is_object();
}

bool read(const std::string& bytes, File& out) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length)) return false;
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > bytes.size() - sizeof(length)) return false;
  out.header = Json::parse(bytes.substr(sizeof(length), length), nullptr, false);
  if (!out.header.is_object()) return false;
  const std::string buffer = bytes.substr(sizeof(length) + length);
  for (const auto& [name, entry] : out.header.items()) {
    if (!is_tensor(name, entry) || !entry.contains("data_offsets")) continue;
    const Json& offsets = entry["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      continue;
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin <= end && end <= buffer.size()) out.tensors[name] = buffer.substr(begin, end - begin);
  }
  return true;
}

// The bytes that an entry needs; more than `max_size` if it cannot be said.
std::size_t needed(const Json& entry, std::size_t max_size) {
  const Type* type = type_of(entry);
  if (type == nullptr || !entry.contains("shape") || !entry["shape"].is_array()) return max_size + 1;
  std::size_t elements = 1;
  for (const Json& size : entry["shape"]) {
    if (!size.is_number_unsigned() && !(size.is_number_integer() && size.get<std::int64_t>() >= 0)) return max_size + 1;
    elements *= std::min<std::size_t>(size.get<std::size_t>(), max_size + 1);
    if (elements > max_size) return max_size + 1;
  }
  return elements * type->bits / 8;
}

// Gives every tensor the bytes that its entry needs, one after the other.
void fit(File& file, std::size_t max_size) {
  std::size_t at = 0;
  for (auto& [name, entry] : file.header.items()) {
    if (!is_tensor(name, entry)) continue;
    const std::size_t size = needed(entry, max_size);
    if (size <= max_size) file.tensors[name].resize(size);
    const std::size_t end = at + file.tensors[name].size();
    entry["data_offsets"] = Json::array({at, end});
    at = end;
  }
}

void seal_run(Json& metadata, const File& file) {
  Json run = Json::parse(metadata["run"].get<std::string>(), nullptr, false);
  if (!run.is_object()) return;
  Json said = Json::object();
  for (const auto& [name, entry] : file.header.items()) {
    const Type* type = type_of(entry);
    if (!is_tensor(name, entry) || type == nullptr || type->ours == nullptr || !entry.contains("shape")) continue;
    std::string form = std::string(type->ours) + " [";
    for (const Json& size : entry["shape"]) form += (form.ends_with('[') ? "" : ", ") + text_of(size);
    const auto bytes = file.tensors.find(name);
    said[name] = Json::array({form + "]", sha256(bytes == file.tensors.end() ? "" : bytes->second)});
  }
  run["tensors"] = said;
  metadata["run"] = text_of(run);
  metadata["run_sha256"] = sha256(metadata["run"].get<std::string>());
}

void seal_dataset(Json& metadata, const File& file) {
  metadata["labels_sha256"] = sha256(metadata["labels"].get<std::string>());
  std::string parts;
  for (const char* name : {"ids", "labels", "starts", "type_ids"})
    if (const auto bytes = file.tensors.find(name); bytes != file.tensors.end())
      parts += std::string(name) + " " + sha256(bytes->second) + "\n";
  metadata["sha256"] = sha256(parts);
  if (const auto marks = file.tensors.find("marks"); marks != file.tensors.end())
    metadata["marks_sha256"] = sha256(marks->second);
}

void seal_weights(Json& metadata, const File& file) {
  Json digests = Json::object();
  for (const auto& [name, entry] : file.header.items()) {
    if (!is_tensor(name, entry)) continue;
    const auto bytes = file.tensors.find(name);
    digests[name] = sha256(bytes == file.tensors.end() ? "" : bytes->second);
  }
  metadata["attune_sha256"] = text_of(digests);
}

// The metadata whose text is JSON, which changes like the rest.
void change_inner_text(File& file, Random& random) {
  if (!file.header.contains("__metadata__") || !file.header["__metadata__"].is_object()) return;
  for (const char* key : {"run", "labels", "attune_sha256"}) {
    Json& metadata = file.header["__metadata__"];
    if (metadata.contains(key) && metadata[key].is_string())
      metadata[key] = changed_json(metadata[key].get<std::string>(), 1 << 16, random);
  }
}

void seal(File& file) {
  if (!file.header.contains("__metadata__") || !file.header["__metadata__"].is_object()) return;
  Json& metadata = file.header["__metadata__"];
  if (metadata.contains("run") && metadata["run"].is_string()) seal_run(metadata, file);
  if (metadata.contains("labels") && metadata["labels"].is_string()) seal_dataset(metadata, file);
  if (metadata.contains("attune_sha256")) seal_weights(metadata, file);
}

std::string write(const File& file) {
  std::string header = text_of(file.header), out;
  while (header.size() % 8 != 0) header += ' ';
  const std::uint64_t length = header.size();
  out.assign(reinterpret_cast<const char*>(&length), sizeof(length));
  out += header;
  for (const auto& [name, entry] : file.header.items())
    if (const auto bytes = file.tensors.find(name); is_tensor(name, entry) && bytes != file.tensors.end())
      out += bytes->second;
  return out;
}

}  // namespace

std::string changed_safetensors(const std::string& bytes, std::size_t max_size, bool sealed, Random& random) {
  File file;
  if (!read(bytes, file)) return changed_bytes(bytes, max_size, random);
  const std::uint32_t kind = random.below(3);
  if (sealed && kind != 0) change_inner_text(file, random);
  if (kind == 0 || (!sealed && kind == 1)) change(file.header, random);
  if (kind == 2 && !file.tensors.empty()) {
    auto tensor = file.tensors.begin();
    std::advance(tensor, random.below(static_cast<std::uint32_t>(file.tensors.size())));
    tensor->second = changed_bytes(tensor->second, max_size, random);
  }
  if (!file.header.is_object()) return bytes;
  if (!random.one_in(6)) fit(file, max_size);
  if (sealed && !random.one_in(10)) seal(file);
  std::string out = write(file);
  if (random.one_in(30)) out = changed_bytes(out, max_size, random);
  return out.size() <= max_size ? out : bytes;
}

}  // namespace attune::fuzz
