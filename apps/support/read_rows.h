// The rows of a table of texts (engine/io/table.h), read on all threads: while some are parsed and their texts
// processed, the labels of those before are read, and the bytes of those after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "apps/support/labels.h"

namespace attune {

/// Columns of the texts of a table; a LabelReader has the columns of the labels.
struct TextColumns {
  std::string text = "text";
  std::string pair = {};  // the second text of each row; empty: there is none
};

/// Receives the texts of a file. They come in parts of some rows each; parts have numbers, which are used again.
class TextSink {
 public:
  static constexpr std::size_t kParts = 64;

  virtual ~TextSink() = default;
  /// The next row of a part; `pair` is empty if there is no column of second texts. The rows of a part come in order,
  /// on any thread and at the same time as those of other parts. The views are valid during the call.
  virtual void add(std::size_t part, std::string_view text, std::string_view pair) = 0;
  /// A part is complete, and will begin anew. Parts are complete in the order of the file, one at a time, at the same
  /// time as others are added to.
  virtual void take(std::size_t part) = 0;
};

/// Rows of a file or folder: its first `max_rows` (0: all) among those of a part.
struct RowChoice {
  std::string path;
  std::int64_t max_rows = 0;
  std::span<const std::uint8_t> parts = {};  // the part of each row of the file; empty: every row is wanted
  std::uint8_t part = 0;
};

/// Reads these rows, without labels if `labels` is null. Throws Error naming file and line of the first bad row, or if
/// there are no rows; then the sink's parts are incomplete.
void read_rows(const RowChoice& rows, const TextColumns& columns, LabelReader* labels, TextSink& sink);

}  // namespace attune
