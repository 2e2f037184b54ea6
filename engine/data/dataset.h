// Tokenised examples with their labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

/// Token ids and labels of one split.
struct Dataset {
  std::string name;                            // for messages, e.g. the file
  std::vector<std::vector<std::int32_t>> ids;  // of each example, special tokens included
  std::vector<std::int32_t> labels;            // as many; empty where unknown

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
  /// Tokens of the longest example; 0 when empty.
  std::int64_t longest() const;
};

/// Parses a label: an integer in [0, classes), or one of `label_names`. Throws Error with `where` (file and line) in
/// front.
std::int32_t parse_label(const std::string& text, std::int64_t classes, const std::vector<std::string>& label_names,
                         const std::string& where);

}  // namespace attune
