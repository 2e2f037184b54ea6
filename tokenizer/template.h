// The last two steps of encoding: cutting to max_length, then putting special tokens around the text.
//
// Cutting comes first: the ids of the text (or of both texts) may fill max_length minus the template's special tokens.
// One text keeps its first ids. In a pair the longer text is cut ("longest first"): with n <= m ids and room for r < n
// + m, the longer keeps max(n, r - n) if that is enough. Otherwise each keeps half of r, and an odd id goes to the
// longer text, or to the second if both are equal.
//
// Windows replace cutting: each is filled, and the next one begins `overlap` ids before its end.
//
// Measured behaviour of huggingface/tokenizers (utils/truncation.rs, processors/template.rs).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace attune {

/// One place of a template: a special token, or one of the texts.
struct TemplatePiece {
  enum class Kind { kSpecial, kTextA, kTextB };

  Kind kind = Kind::kTextA;
  std::int32_t type_id = 0;  // segment number of all ids of this piece
  std::int32_t id = -1;      // kSpecial only
};

class Template {
 public:
  /// Plain concatenation: no special tokens; a pair's second text has type id 1.
  Template();
  /// Throws Error unless `single` holds text A once and no B, and `pair` holds A and B once each.
  Template(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair);

  /// "<first> A <last>" and "<first> A <last> B <last>"; B and what follows it have type id `second_type`.
  static Template bert(std::int32_t first, std::int32_t last, std::int32_t second_type);
  /// "<first> A <last>" and "<first> A <last> <last> B <last>", all of type 0.
  static Template roberta(std::int32_t first, std::int32_t last);

  /// How many ids of a text (of both texts of a pair) fit: max_length minus the special tokens, or the largest integer
  /// if max_length is 0. Throws Error if not even the special tokens fit.
  std::int64_t room(const EncodeOptions& options, bool pair) const;

  /// Cuts and wraps the ids of one text.
  Encoding apply(std::span<const std::int32_t> a, const EncodeOptions& options) const;
  /// Wraps pieces of the ids of one text that overlap (Tokenizer::encode_windows).
  Windows windows(std::span<const std::int32_t> a, const EncodeOptions& options, std::int64_t overlap) const;
  /// Cuts and wraps the ids of a pair.
  Encoding apply(std::span<const std::int32_t> a, std::span<const std::int32_t> b, const EncodeOptions& options) const;

 private:
  std::vector<TemplatePiece> single_, pair_;
};

/// Lengths (a, b) of a pair after cutting both to `room` ids in all, longest first.
std::pair<std::int64_t, std::int64_t> cut_pair(std::int64_t a, std::int64_t b, std::int64_t room);

}  // namespace attune
