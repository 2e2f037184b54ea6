#include "models/model_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "base/check.h"
#include "base/input_file.h"
#include "base/read_file.h"
#include "engine/io/locked_folder.h"
#include "engine/io/sha256.h"

namespace attune {
namespace {

constexpr const char *kSave = "attune_save", *kFiles = "attune_files";

constexpr std::array kModel = {"config.json", "model.safetensors"};
// What else attune and the Hugging Face libraries read from a folder, and the descriptions of the run that the model is
// of. The files of a tokenizer come last.
constexpr std::array<const char*, 13> kOtherFiles = {"run.json",
                                                     "report.html",
                                                     "model.safetensors.index.json",
                                                     "vocabulary.json",
                                                     "tokenizer.json",
                                                     "tokenizer_config.json",
                                                     "special_tokens_map.json",
                                                     "added_tokens.json",
                                                     "vocab.json",
                                                     "merges.txt",
                                                     "encoder.json",
                                                     "vocab.bpe",
                                                     "vocab.txt"};
constexpr std::span kTokenizerFiles = std::span(kOtherFiles).subspan(4);

std::string id_of(const json::Value& config, const json::Value& digests) {
  return sha256_hex(json::Value::array({config.dump(), digests}).dump()).substr(0, 32);
}

}  // namespace

FileSet model_files(const std::string& folder, json::Value config, const NamedTexts& texts, const WriteWeights& write) {
  FileSet files(folder, "config.json");
  json::Value digests = json::Value::object();
  for (const auto& [name, text] : texts) digests.set(name, sha256_hex(text));
  const std::string id = id_of(config, digests);
  write(files.add("model.safetensors"), {{"format", "pt"}, {kSave, id}, {kFiles, digests.dump()}});
  for (const auto& [name, text] : texts) files.add(name, text);
  config.set(kSave, id);
  files.add("config.json", config.dump(2) + "\n");
  for (const char* name : kOtherFiles) files.supersede(name);
  return files;
}

json::Value read_model_config(const std::string& folder) {
  finish_set_without_key(folder, "config.json");
  return json::read((std::filesystem::path(folder) / "config.json").string(), {}, FileKind::kRegular);
}

void update_config(const std::string& folder, const json::Value& config, const json::Value& members) {
  const std::string path = (std::filesystem::path(folder) / "config.json").string();
  json::Value changed = json::read(path);
  CHECK(changed.dump() == config.dump(), path, ": has changed since it was read; nothing is written to it");
  changed.merge(members);
  write_file(path, changed.dump(2) + "\n");
}

void check_model_folder(const std::string& folder, const NamedTexts& texts) {
  const auto in = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
  const auto check = [&](const std::string& name) { check_replaceable(in(name)); };
  for (const char* name : kModel) check(name);
  for (const auto& [name, text] : texts) check(name);
  for (const char* name : kOtherFiles) check(name);
  if (std::ranges::any_of(kModel, [&](const char* name) { return std::filesystem::exists(in(name)); })) return;
  // No model is there: files of a tokenizer are those of this one, perhaps with its other forms, or somebody's.
  const auto is_there = [&](const auto& file) {
    return std::filesystem::exists(in(file.first)) && read_file(in(file.first)) == file.second;
  };
  if (!texts.empty() && std::ranges::all_of(texts, is_there)) return;
  const auto found =
      std::ranges::find_if(kTokenizerFiles, [&](const char* name) { return std::filesystem::exists(in(name)); });
  CHECK(found == kTokenizerFiles.end(), in(*found),
        ": a model that is saved here would replace or remove this file, which is not of its tokenizer; name another "
        "folder, or move the file");
}

bool is_model_file(std::string_view name) {
  return std::ranges::find(kModel, name) != kModel.end() || std::ranges::find(kOtherFiles, name) != kOtherFiles.end();
}

void remove_model(const std::string& folder) {
  std::error_code error;  // a file that cannot be removed does no harm
  for (const char* name : kModel) std::filesystem::remove(folder + "/" + name, error);
  for (const char* name : kOtherFiles) std::filesystem::remove(folder + "/" + name, error);
  rmdir(folder.c_str());
}

void check_same_save(const json::Value& config, const SafetensorsFile& weights) {
  const auto of_weights = weights.metadata().find(kSave);
  const std::string of_config = config.string_or(kSave, "");
  CHECK(of_config.empty() || of_weights == weights.metadata().end() || of_config == of_weights->second, weights.path(),
        ": these weights and config.json come from different saves (", kSave, " is ", of_weights->second, " and ",
        of_config, "); copy both from one folder, or train again");
}

FileDigests saved_digests(const SafetensorsFile& weights) {
  FileDigests out;
  if (const auto text = weights.metadata().find(kFiles); text != weights.metadata().end())
    json::parse(text->second, weights.path() + ": " + kFiles)
        .for_each([&](const std::string& name, const json::Value& digest) { out[name] = digest.string(); });
  return out;
}

bool is_saved_text(const FileDigests& saved, const std::string& path, std::string_view text) {
  const auto found = saved.find(std::filesystem::path(path).filename().string());
  return saved.empty() || (found != saved.end() && found->second == sha256_hex(text));
}

}  // namespace attune
