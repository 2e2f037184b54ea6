// Texts, or pairs of texts, as the examples of a data set.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/data/batch_form.h"
#include "engine/data/dataset.h"
#include "models/classifier.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// Encodes texts on all threads, special tokens included, cut to form.max_length tokens (0: whole) or in windows of as
/// many. `second` has the other text of each pair and gives the examples segments; or it is empty. No labels. Throws
/// Error if pairs are to be in windows.
Dataset encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                     std::span<const std::string> second, const BatchForm& form);

/// Tokens of a text that fit into `max_length` with the special tokens; negative if these alone do not.
std::int64_t room_for_text(const Tokenizer& tokenizer, std::int64_t max_length);

/// Throws Error naming the data set if it has a segment that the model has no row for.
void check_segments(const Classifier& model, const Dataset& examples);

}  // namespace attune
