// The tokenizer of a model, which its folder has or --tokenizer names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "models/model_folder.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// The files of a tokenizer, to be saved with a model.
NamedTexts texts_of(const Tokenizer& tokenizer);
/// The tokenizer in the folder `named`, or if that is empty in the folder of a model's weights, for a model of `vocab_size`
/// tokens. Throws Error if it has more tokens; or, beside the weights, naming a file of it that was not saved with them,
/// or one that was and is missing; and as load_tokenizer() does.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& named, const std::string& weights_folder,
                                          std::int64_t vocab_size);

}  // namespace attune
