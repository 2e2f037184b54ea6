// The texts of a few rows of a split, read again from their source after the run: a data set has no texts, only ids.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/support/row_split.h"
#include "engine/data/dataset.h"

namespace attune {

struct TextAndPair {
  std::string text, pair;
};

/// The texts of these rows (from 0, in any order) of a split; nothing where the source has changed since `split` was read,
/// by the marks of its texts. Throws Error or IoError if the source cannot be read.
std::vector<std::optional<TextAndPair>> read_texts_again(const SplitSource& source, const TextColumns& columns,
                                                         const LabelReader& labels, const Dataset& split,
                                                         std::span<const std::int64_t> rows);

}  // namespace attune
