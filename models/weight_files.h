// The weights of a Hugging Face folder: model.safetensors, or the shards that model.safetensors.index.json lists.
#pragma once

#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "models/model_folder.h"

namespace attune {

class WeightFiles {
 public:
  /// Opens and checks every file. Throws IoError or SafetensorsError as SafetensorsFile does; Error if a tensor is not
  /// in the shard that the index names, or if the folder has weights only in formats that attune does not read.
  explicit WeightFiles(const std::string& folder);

  /// One file, or several shards.
  const std::vector<SafetensorsFile>& files() const { return files_; }
  /// Of the files of texts that were saved with them. Throws as saved_digests() does.
  FileDigests text_digests() const;

 private:
  std::vector<SafetensorsFile> files_;
};

}  // namespace attune
