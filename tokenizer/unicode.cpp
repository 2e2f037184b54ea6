// The tables of unicode.h, and normalisation on top of them (Unicode standard, section 3.11; Hangul: section 3.12).
#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <unordered_map>

#include "tokenizer/unicode_overrides/bert.h"
#include "tokenizer/unicode_overrides/byte_level.h"
#include "tokenizer/unicode_overrides/lower_case.h"
#include "tokenizer/unicode_overrides/normalisation.h"

namespace attune::unicode {
namespace {

const utf8proc_property_t& property(char32_t c) {
  return *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
}

bool is_letter(int category) {
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool is_number(int category) {
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}
bool is_punctuation(int category) {
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

SplitClass split_class(char32_t c) {
  const int category = property(c).category;
  if (overridden(kByteLevelLetters, c, is_letter(category))) return SplitClass::kLetter;
  if (overridden(kByteLevelNumbers, c, is_number(category))) return SplitClass::kNumber;
  return is_whitespace(c) ? SplitClass::kSpace : SplitClass::kOther;
}

// The ranges of the reference, its end of extension E included (2B920 where Unicode has 2B820).
bool is_han(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kHan[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                                   {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kHan), std::end(kHan), [c](Range r) { return c >= r.first && c <= r.last; });
}

std::uint8_t bert_class(char32_t c) {
  const int category = property(c).category;
  const bool kept_control = c == '\t' || c == '\n' || c == '\r';
  const bool control = (category == UTF8PROC_CATEGORY_CC && !kept_control) || category == UTF8PROC_CATEGORY_CF ||
                       category == UTF8PROC_CATEGORY_CO || c == 0xFFFD;
  const bool ascii_symbol = c < 0x80 && category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO;
  int bits = 0;
  if (overridden(kBertControlOverrides, c, control)) bits |= kBertControl;
  if (is_whitespace(c)) bits |= kBertSpace;
  if (overridden(kBertPunctuationOverrides, c, is_punctuation(category) || ascii_symbol)) bits |= kBertPunctuation;
  if (overridden(kBertMarkOverrides, c, category == UTF8PROC_CATEGORY_MN)) bits |= kBertMark;
  if (is_han(c)) bits |= kBertHan;
  return static_cast<std::uint8_t>(bits);
}

// The distance from each code point to its lower case; 0 for most. U+0130 alone becomes two.
constexpr char32_t kCapitalIWithDot = 0x130;

const CodePointTable<std::int32_t>& lower_distances() {
  static const CodePointTable<std::int32_t> table([](char32_t c) {
    char32_t lower = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    const auto before = [](const OverrideMapping& mapping, char32_t value) { return mapping.from < value; };
    const OverrideMapping* mapping = std::lower_bound(std::begin(kLowerCase), std::end(kLowerCase), c, before);
    if (mapping != std::end(kLowerCase) && mapping->from == c) lower = mapping->to;
    return static_cast<std::int32_t>(lower) - static_cast<std::int32_t>(c);
  });
  return table;
}

namespace hangul {
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

bool is_syllable(char32_t c) {
  return c - kSyllables < kSyllableCount;
}
bool is_lead(char32_t c) {
  return c - kLeads < kLeadCount;
}
bool is_vowel(char32_t c) {
  return c - kVowels < kVowelCount;
}
bool is_tail(char32_t c) {
  return c > kTails && c < kTails + kTailCount;
}
}  // namespace hangul

// The decomposition as utf8proc gives it: the number of code points written to `out`.
int utf8proc_parts(char32_t c, utf8proc_int32_t (&out)[32]) {
  int boundary = 0;
  return static_cast<int>(
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), out, 32, UTF8PROC_DECOMPOSE, &boundary));
}

// The one code point that the first `length` of `parts` compose to, or 0.
char32_t utf8proc_composite(const utf8proc_int32_t (&parts)[32], int length) {
  utf8proc_int32_t work[32];
  std::copy(parts, parts + length, work);
  constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(work, length, kCompose) == 1 ? static_cast<char32_t>(work[0]) : 0;
}

// Canonical normalisation, without Hangul: bits and parts of each code point, and the pairs that compose.
class Normalisation {
 public:
  enum Bits : std::uint8_t {
    kDecomposes = 1,
    kUnsafe = 2,  // NFC may change it or the code points before it
  };

  static const Normalisation& get() {
    static const Normalisation instance;
    return instance;
  }

  std::u32string_view parts(char32_t c) const {
    const auto [begin, length] = parts_.at(c);
    return std::u32string_view(part_pool_).substr(begin, length);
  }
  std::uint8_t bits(char32_t c) const { return bits_[c]; }
  std::uint8_t combining_class(char32_t c) const { return classes_[c]; }

  /// The code point that `a` and `b` compose to, or 0.
  char32_t compose(char32_t a, char32_t b) const {
    if (hangul::is_lead(a) && hangul::is_vowel(b)) {
      const char32_t lead = a - hangul::kLeads, vowel = b - hangul::kVowels;
      return hangul::kSyllables + (lead * hangul::kVowelCount + vowel) * hangul::kTailCount;
    }
    if (hangul::is_syllable(a) && (a - hangul::kSyllables) % hangul::kTailCount == 0 && hangul::is_tail(b)) {
      return a + (b - hangul::kTails);
    }
    const auto pair = pairs_.find(key(a, b));
    return pair == pairs_.end() ? 0 : pair->second;
  }

 private:
  Normalisation() {
    for (char32_t c = 0; c <= utf8::kMaxCodePoint; ++c) {
      // utf8proc reports cheaply whether there is a decomposition; 0xFFFF is its "none".
      const utf8proc_property_t& of_c = property(c);
      if (of_c.decomp_seqindex == UINT16_MAX || of_c.decomp_type != 0) continue;
      if (!overridden(kNoDecomposition, c, true)) continue;
      add_decomposition(c);
    }
  }

  static std::uint8_t class_of(char32_t c) {
    const auto value = static_cast<std::uint8_t>(property(c).combining_class);
    return overridden(kNoCombiningClass, c, true) ? value : std::uint8_t{0};
  }

  std::uint8_t bits_of(char32_t c) const {
    int bits = 0;
    if (class_of(c) != 0 || hangul::is_vowel(c) || hangul::is_tail(c)) bits |= kUnsafe;
    if (hangul::is_syllable(c)) bits |= kDecomposes;
    const auto found = bits_of_parts_.find(c);
    return static_cast<std::uint8_t>(found == bits_of_parts_.end() ? bits : bits | found->second);
  }

  static std::uint64_t key(char32_t a, char32_t b) { return std::uint64_t{a} << 32 | b; }

  void add_decomposition(char32_t c) {
    utf8proc_int32_t raw[32];
    const int length = utf8proc_parts(c, raw);
    bits_of_parts_[c] |= kDecomposes;
    parts_[c] = {part_pool_.size(), static_cast<std::size_t>(length)};
    for (int i = 0; i < length; ++i) part_pool_.push_back(static_cast<char32_t>(raw[i]));
    // c is a composite unless composing its parts gives something else (the composition exclusions).
    if (utf8proc_composite(raw, length) != c) {
      bits_of_parts_[c] |= kUnsafe;
      return;
    }
    const char32_t last = static_cast<char32_t>(raw[length - 1]);
    pairs_[key(utf8proc_composite(raw, length - 1), last)] = c;
    bits_of_parts_[last] |= kUnsafe;
  }

  CodePointTable<std::uint8_t> classes_{class_of};
  CodePointTable<std::uint8_t> bits_{[this](char32_t c) { return bits_of(c); }};
  std::unordered_map<char32_t, std::uint8_t> bits_of_parts_;                 // those that come from decompositions
  std::unordered_map<char32_t, std::pair<std::size_t, std::size_t>> parts_;  // into part_pool_: begin, length
  std::u32string part_pool_;
  std::unordered_map<std::uint64_t, char32_t> pairs_;
};

// Puts each run of marks of text[from..] into canonical order (stable within a class).
void order_marks(const Normalisation& tables, std::u32string& text, std::size_t from) {
  const auto class_of = [&tables](char32_t c) { return tables.combining_class(c); };
  for (std::size_t i = from; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && class_of(text[end]) != 0) ++end;
    const auto by_class = [&](char32_t a, char32_t b) { return class_of(a) < class_of(b); };
    const auto at = [&text](std::size_t place) { return text.begin() + static_cast<std::ptrdiff_t>(place); };
    std::stable_sort(at(i), at(end), by_class);
    i = end + 1;
  }
}

// Composes a decomposed, ordered text in place.
void compose(const Normalisation& tables, std::u32string& text) {
  std::size_t starter = std::u32string::npos;  // position of the last starter in the output
  int previous = 0;                            // class of the code point written last after it; 0: none
  std::size_t size = 0;
  for (const char32_t c : std::u32string(text)) {
    const int its_class = tables.combining_class(c);
    if (starter != std::u32string::npos) {
      const bool adjacent = starter + 1 == size;
      const bool reachable = adjacent || (previous != 0 && previous < its_class);
      const char32_t both = reachable ? tables.compose(text[starter], c) : 0;
      if (both != 0) {
        text[starter] = both;
        continue;
      }
    }
    if (its_class == 0) starter = size;
    previous = its_class;
    text[size++] = c;
  }
  text.resize(size);
}

// Offset of the first code point that may change under NFC, at or after `from`; text.size() if there is none.
std::size_t find_unsafe(const Normalisation& tables, std::string_view text, std::size_t from) {
  const char* p = text.data() + from;
  const char* const end = text.data() + text.size();
  while (p < end) {
    if (end - p >= 8 && utf8::eight_are_ascii(p)) {
      p += 8;
      continue;
    }
    const char* const at = p;
    if ((tables.bits(utf8::decode(p)) & Normalisation::kUnsafe) != 0) return static_cast<std::size_t>(at - text.data());
  }
  return text.size();
}

}  // namespace

bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

const CodePointTable<SplitClass>& split_classes() {
  static const CodePointTable<SplitClass> table(split_class);
  return table;
}

const CodePointTable<std::uint8_t>& bert_classes() {
  static const CodePointTable<std::uint8_t> table(bert_class);
  return table;
}

void append_lower(char32_t c, std::u32string& out) {
  if (c == kCapitalIWithDot) {
    out += {U'i', char32_t{0x307}};
    return;
  }
  out += static_cast<char32_t>(static_cast<std::int32_t>(c) + lower_distances()[c]);
}

bool has_lower(char32_t c) {
  return lower_distances()[c] != 0;
}

void append_decomposition(char32_t c, std::u32string& out) {
  if (c < 0x80) {
    out += c;
  } else if (hangul::is_syllable(c)) {
    const char32_t index = c - hangul::kSyllables;
    const char32_t tail = index % hangul::kTailCount, pair = index / hangul::kTailCount;
    out.push_back(hangul::kLeads + pair / hangul::kVowelCount);
    out.push_back(hangul::kVowels + pair % hangul::kVowelCount);
    if (tail != 0) out.push_back(hangul::kTails + tail);
  } else if (has_decomposition(c)) {
    out += Normalisation::get().parts(c);
  } else {
    out += c;
  }
}

bool has_decomposition(char32_t c) {
  return (Normalisation::get().bits(c) & Normalisation::kDecomposes) != 0;
}

std::uint8_t combining_class(char32_t c) {
  return Normalisation::get().combining_class(c);
}

std::u32string nfd(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_decomposition(c, out);
  order_marks(Normalisation::get(), out, 0);
  return out;
}

bool is_surely_nfc(std::string_view text) {
  return find_unsafe(Normalisation::get(), text, 0) == text.size();
}

std::string nfc(std::string_view text) {
  const Normalisation& tables = Normalisation::get();
  std::string out;
  std::size_t done = 0;  // text[0, done) is in `out`
  while (true) {
    const std::size_t unsafe = find_unsafe(tables, text, done);
    if (unsafe == text.size()) {
      out += text.substr(done);
      return out;
    }
    // The stretch that may change begins at the safe code point before it, and ends before the next safe one.
    std::size_t begin = unsafe;
    while (begin > done && utf8::is_continuation(text[begin - 1])) --begin;
    if (begin > done) --begin;
    out += text.substr(done, begin - done);
    const char* p = text.data() + begin;
    const char* const end = text.data() + text.size();
    std::u32string stretch;
    for (bool first = true; p < end; first = false) {
      const char* const at = p;
      const char32_t c = utf8::decode(p);
      if (!first && at > text.data() + unsafe && (tables.bits(c) & Normalisation::kUnsafe) == 0) {
        p = at;
        break;
      }
      append_decomposition(c, stretch);
    }
    order_marks(tables, stretch, 0);
    compose(tables, stretch);
    out += utf8::to_utf8(stretch);
    done = static_cast<std::size_t>(p - text.data());
  }
}

}  // namespace attune::unicode
