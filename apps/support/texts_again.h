// The texts of a few rows of a split, read again from their source after the run: a data set has no texts, only ids.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/support/read_rows.h"
#include "engine/data/dataset.h"

namespace attune {

struct TextAndPair {
  std::string text, pair;
};

/// The texts of these rows (from 0, in any order) of a split that was read from `source`; nothing where the source has
/// changed since then, by the marks of its texts. Throws Error or IoError if the source cannot be read.
std::vector<std::optional<TextAndPair>> read_texts_again(const RowChoice& source, const TextColumns& columns,
                                                         const Dataset& split, std::span<const std::int64_t> rows);

}  // namespace attune
