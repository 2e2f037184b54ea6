#include "apps/support/saved_tokenizer.h"

#include <filesystem>

#include "base/check.h"

namespace attune {

NamedTexts texts_of(const Tokenizer& tokenizer) {
  NamedTexts out;
  for (const TokenizerFile& file : tokenizer.files())
    out.emplace_back(std::filesystem::path(file.path).filename().string(), file.text);
  return out;
}

void check_saved_tokenizer(const Tokenizer& tokenizer, const LoadReport& weights) {
  FileDigests missing = weights.text_digests;
  for (const TokenizerFile& file : tokenizer.files()) {
    CHECK(
        is_saved_text(weights.text_digests, file.path, file.text), file.path,
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

}  // namespace attune
