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
  for (const TokenizerFile& file : tokenizer.files())
    CHECK(
        is_saved_text(weights.texts, file.path, file.text), file.path,
        ": this file and model.safetensors come from different saves; copy both from one folder, or name the folder of "
        "the tokenizer with --tokenizer to use it all the same");
}

}  // namespace attune
