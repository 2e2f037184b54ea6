#include "tokenizer/template.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace attune {
namespace {

using Kind = TemplatePiece::Kind;

std::ptrdiff_t count(const std::vector<TemplatePiece>& pieces, Kind kind) {
  return std::count_if(pieces.begin(), pieces.end(), [kind](const TemplatePiece& p) { return p.kind == kind; });
}

Encoding wrap(const std::vector<TemplatePiece>& pieces, std::span<const std::int32_t> a,
              std::span<const std::int32_t> b, bool add_special_tokens) {
  Encoding out;
  out.ids.reserve(a.size() + b.size() + pieces.size());
  out.type_ids.reserve(a.size() + b.size() + pieces.size());
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == Kind::kSpecial) {
      if (add_special_tokens) out.ids.push_back(piece.id);
    } else {
      const auto text = piece.kind == Kind::kTextA ? a : b;
      out.ids.insert(out.ids.end(), text.begin(), text.end());
    }
    out.type_ids.resize(out.ids.size(), piece.type_id);
  }
  return out;
}

}  // namespace

Template::Template() : Template({{Kind::kTextA, 0, -1}}, {{Kind::kTextA, 0, -1}, {Kind::kTextB, 1, -1}}) {}

Template::Template(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair)
    : single_(std::move(single)), pair_(std::move(pair)) {
  CHECK(count(single_, Kind::kTextA) == 1 && count(single_, Kind::kTextB) == 0,
        "the template of a single text must hold text A once and no text B");
  CHECK(count(pair_, Kind::kTextA) == 1 && count(pair_, Kind::kTextB) == 1,
        "the template of a pair must hold text A and text B once each");
}

Template Template::bert(std::int32_t first, std::int32_t last, std::int32_t second_type) {
  return Template({{Kind::kSpecial, 0, first}, {Kind::kTextA, 0, -1}, {Kind::kSpecial, 0, last}},
                  {{Kind::kSpecial, 0, first},
                   {Kind::kTextA, 0, -1},
                   {Kind::kSpecial, 0, last},
                   {Kind::kTextB, second_type, -1},
                   {Kind::kSpecial, second_type, last}});
}

Template Template::roberta(std::int32_t first, std::int32_t last) {
  return Template({{Kind::kSpecial, 0, first}, {Kind::kTextA, 0, -1}, {Kind::kSpecial, 0, last}},
                  {{Kind::kSpecial, 0, first},
                   {Kind::kTextA, 0, -1},
                   {Kind::kSpecial, 0, last},
                   {Kind::kSpecial, 0, last},
                   {Kind::kTextB, 0, -1},
                   {Kind::kSpecial, 0, last}});
}

std::int64_t Template::room(const EncodeOptions& options, bool pair) const {
  CHECK(options.max_length >= 0, "max_length must not be negative: ", options.max_length);
  if (options.max_length == 0) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t specials = options.add_special_tokens ? count(pair ? pair_ : single_, Kind::kSpecial) : 0;
  CHECK(options.max_length >= specials, "max_length ", options.max_length, " leaves no room for the ", specials,
        " special tokens of the template");
  return options.max_length - specials;
}

Encoding Template::apply(std::span<const std::int32_t> a, const EncodeOptions& options) const {
  const auto fits = static_cast<std::size_t>(room(options, false));
  Encoding out = wrap(single_, a.first(std::min(a.size(), fits)), {}, options.add_special_tokens);
  out.cut = a.size() > fits;
  return out;
}

Windows Template::windows(std::span<const std::int32_t> a, const EncodeOptions& options, std::int64_t overlap) const {
  const std::int64_t fits = room(options, false), size = std::ssize(a);
  CHECK(overlap >= 0 && overlap < fits, "windows of ", fits, " tokens of text cannot share ", overlap);
  Windows out;
  if (options.add_special_tokens) {
    const auto text = std::ranges::find(single_, Kind::kTextA, &TemplatePiece::kind);
    out.before = text - single_.begin();
    out.after = single_.end() - text - 1;
  }
  for (std::int64_t begin = 0, end = 0; out.lengths.empty() || end < size; begin = end - overlap) {
    end = std::min(fits, size - begin) + begin;
    const auto piece = a.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    const Encoding window = wrap(single_, piece, {}, options.add_special_tokens);
    out.ids.insert(out.ids.end(), window.ids.begin(), window.ids.end());
    out.lengths.push_back(std::ssize(window.ids));
  }
  return out;
}

Encoding Template::apply(std::span<const std::int32_t> a, std::span<const std::int32_t> b,
                         const EncodeOptions& options) const {
  const auto of_a = static_cast<std::int64_t>(a.size()), of_b = static_cast<std::int64_t>(b.size());
  const auto [keep_a, keep_b] = cut_pair(of_a, of_b, room(options, true));
  Encoding out = wrap(pair_, a.first(static_cast<std::size_t>(keep_a)), b.first(static_cast<std::size_t>(keep_b)),
                      options.add_special_tokens);
  out.cut = keep_a < of_a || keep_b < of_b;
  return out;
}

std::pair<std::int64_t, std::int64_t> cut_pair(std::int64_t a, std::int64_t b, std::int64_t room) {
  if (a + b <= room) return {a, b};
  const std::int64_t shorter = std::min(a, b);
  std::int64_t keep_shorter = shorter;
  std::int64_t keep_longer = std::max(shorter, room - shorter);
  if (keep_shorter + keep_longer > room) {
    keep_shorter = room / 2;
    keep_longer = room - keep_shorter;
  }
  return a > b ? std::pair{keep_longer, keep_shorter} : std::pair{keep_shorter, keep_longer};
}

}  // namespace attune
