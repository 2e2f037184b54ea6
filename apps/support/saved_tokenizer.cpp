#include "apps/support/saved_tokenizer.h"

#include <filesystem>

#include "base/check.h"
#include "models/weight_files.h"

namespace attune {
namespace {

// For a tokenizer that was read from the folder of the weights.
void check_saved_together(const Tokenizer& tokenizer, const FileDigests& saved) {
  FileDigests missing = saved;
  for (const TokenizerFile& file : tokenizer.files()) {
    CHECK(
        is_saved_text(saved, file.path, file.text), file.path,
        ": this file and model.safetensors come from different saves; copy both from one folder, or name the folder of "
        "the tokenizer with --tokenizer to use it all the same");
    missing.erase(std::filesystem::path(file.path).filename().string());
  }
  if (missing.empty()) return;
  const std::filesystem::path folder = std::filesystem::path(tokenizer.files().front().path).parent_path();
  throw Error(
      str_cat((folder / missing.begin()->first).string(),
              ": this file of the tokenizer was saved with model.safetensors and is missing; copy it from where "
              "they were saved, or name the folder with --tokenizer to do without it"));
}

}  // namespace

NamedTexts texts_of(const Tokenizer& tokenizer) {
  NamedTexts out;
  for (const TokenizerFile& file : tokenizer.files())
    out.emplace_back(std::filesystem::path(file.path).filename().string(), file.text);
  return out;
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& named, const std::string& weights_folder,
                                          std::int64_t vocab_size) {
  const std::string& folder = named.empty() ? weights_folder : named;
  std::unique_ptr<Tokenizer> out = load_tokenizer(folder);
  if (named.empty()) check_saved_together(*out, WeightFiles(weights_folder).text_digests());
  CHECK(out->vocab_size() <= vocab_size, folder, ": the tokenizer has ", out->vocab_size(),
        " tokens, but the model's vocabulary only ", vocab_size);
  return out;
}

}  // namespace attune
