// One entry of a generated table: the code points first..last are (or are not) of a class, whatever utf8proc says.
#pragma once

namespace attune::unicode {

struct OverrideRange {
  char32_t first, last;  // inclusive
  bool member;
};

/// `lower` is what `from` becomes.
struct OverrideMapping {
  char32_t from, to;
};

}  // namespace attune::unicode
