// The part of a tokenizer that differs between algorithms (byte-level BPE, WordPiece): normalisation, and the
// conversion of a text without added tokens into ids. Pipeline does the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

class TextModel {
 public:
  virtual ~TextModel() = default;

  /// Writes the normalised form of `text` (valid UTF-8) to `out` and returns true, or returns false if `text` is its
  /// own normalised form (`out` is then unspecified).
  virtual bool normalize(std::string_view text, std::string& out) const = 0;
  /// Appends the ids of a normalised text that holds no added token. Once `ids` holds `limit` ids or more it may stop,
  /// but the first `limit` ids are those of the whole text.
  virtual void encode(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const = 0;
  /// Appends the decoded text of a token with this spelling. `first`: nothing was decoded before it; `added`: it is an
  /// added token, whose spelling is plain text.
  virtual void append_decoded(std::string_view token, bool added, bool first, std::string& out) const = 0;
};

}  // namespace attune
