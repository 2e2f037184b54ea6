// Texts, or pairs of texts, as the examples of a data set.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/data/dataset.h"
#include "models/classifier.h"
#include "tokenizer/tokenizer.h"

namespace attune {

/// Encodes texts on all threads, special tokens included, cut to `max_length` tokens (0: whole). `second` has the other
/// text of each pair and gives the examples segments; or it is empty. No labels.
Dataset encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                     std::span<const std::string> second, std::int64_t max_length);

/// Throws Error naming the data set if it has a segment that the model has no row for.
void check_segments(const Classifier& model, const Dataset& examples);

}  // namespace attune
