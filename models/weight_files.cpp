#include "models/weight_files.h"

#include <filesystem>
#include <map>
#include <set>

#include "base/check.h"
#include "base/input_file.h"
#include "base/printable.h"
#include "json/value.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// The tensors that each shard must have, from {"weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}.
std::map<std::string, std::set<std::string>> read_index(const std::string& path) {
  std::map<std::string, std::set<std::string>> out;
  json::read(path, {}, FileKind::kRegular)["weight_map"].for_each(
      [&](const std::string& tensor, const json::Value& shard) {
        const std::string& name = shard.string();
        if (fs::path(name).filename() != name || !name.ends_with(".safetensors"))
          shard.fail("'" + printable(name) + "' is not the name of a .safetensors file of this folder");
        out[name].insert(tensor);
      });
  CHECK(!out.empty(), path, ": weight_map names no tensors");
  return out;
}

}  // namespace

WeightFiles::WeightFiles(const std::string& folder) {
  const fs::path root = folder, whole = root / "model.safetensors", index = root / "model.safetensors.index.json";
  if (fs::exists(whole) || !fs::exists(index)) {
    for (const char* other : {"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"})
      CHECK(fs::exists(whole) || !fs::exists(root / other), folder, ": has no model.safetensors; attune does not read ",
            other, " (save_pretrained(folder) of the Hugging Face libraries writes model.safetensors)");
    files_.emplace_back(whole.string());
    return;
  }
  for (const auto& [name, tensors] : read_index(index.string())) {
    const SafetensorsFile& shard = files_.emplace_back((root / name).string());
    for (const std::string& tensor : tensors)
      CHECK(shard.find(tensor) != nullptr, shard.path(), ": has no tensor '", tensor, "', which ", index.string(),
            " says is in it");
  }
}

FileDigests WeightFiles::text_digests() const {
  FileDigests out;
  for (const SafetensorsFile& file : files_) out.merge(saved_digests(file));
  return out;
}

}  // namespace attune
