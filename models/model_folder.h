// The folder of a saved model: model.safetensors, config.json, and the files of its tokenizer or its vocabulary.
//
// They are saved together (engine/io/file_set.h). Weights and config also have one id, `attune_save`: a digest of
// everything that was saved but the weights; it stays when a member of the config is changed later. Loading refuses
// weights and a config with different ids, for example after files of two folders were mixed. The weights have the
// SHA-256 of each tensor (engine/io/safetensors.h), which is checked when the tensor is read, and that of each file of the
// tokenizer or vocabulary (`attune_files`), so that a file of another save is known by its name.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/file_set.h"
#include "engine/io/safetensors.h"
#include "json/value.h"

namespace attune {

/// Files by name, with their bytes.
using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/// Writes the weights to a file, with this metadata; the caller commits the file.
using WriteWeights = std::function<void(AtomicFile& file, const Metadata& metadata)>;

/// The files of a model, ready to be committed to a folder that exists. Files that older models need and this one does
/// not are removed then. Throws IoError, and what `write` throws.
FileSet model_files(const std::string& folder, json::Value config, const NamedTexts& texts, const WriteWeights& write);

/// The config.json of a saved model; first finishes a save that was killed (finish_set_without_key). Throws IoError, and
/// Error for a file that is not JSON.
json::Value read_model_config(const std::string& folder);

/// Sets members of the config.json of a saved model, whose weights stay: `config` is what was read from it before. Its
/// id stays too. Throws Error if the file is another one now; IoError.
void update_config(const std::string& folder, const json::Value& config, const json::Value& members);

/// Throws IoError if a folder is in the place of one of these files, or of one that an older model may have; Error if no
/// model is there, but files of another tokenizer than this, which a save would replace or remove.
void check_model_folder(const std::string& folder, const NamedTexts& texts);

/// Whether a file of this name belongs to the folder of a model.
bool is_model_file(std::string_view name);

/// Removes the files of a saved model, and the folder if nothing else is in it.
void remove_model(const std::string& folder);

/// Throws Error naming both files if weights and config come from different saves.
void check_same_save(const json::Value& config, const SafetensorsFile& weights);

/// SHA-256 of files, by name.
using FileDigests = std::map<std::string, std::string>;
/// Of the files of texts that were saved with these weights; empty for weights of other programs and
/// of older versions. Throws Error if they cannot be read.
FileDigests saved_digests(const SafetensorsFile& weights);
/// Whether the file at `path`, with its bytes, is one of these; always if there are none.
bool is_saved_text(const FileDigests& saved, const std::string& path, std::string_view text);

}  // namespace attune
