// The tokenizer in the folder of a saved model.
#pragma once

#include "models/model_folder.h"
#include "models/weights.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// The files of a tokenizer, to be saved with a model.
NamedTexts texts_of(const Tokenizer& tokenizer);
/// For a tokenizer that was read from the folder of these weights: throws Error naming a file of it that was not saved with
/// them, or one that was and is missing.
void check_saved_tokenizer(const Tokenizer& tokenizer, const LoadReport& weights);

}  // namespace attune
