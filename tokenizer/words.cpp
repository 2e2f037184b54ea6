#include "tokenizer/words.h"

#include <utf8proc.h>

#include <array>

#include "tokenizer/unicode.h"
#include "tokenizer/unicode_overrides/python_words.h"

namespace attune {
namespace {

enum WordBits : std::uint8_t {
  kWord = 1,
  kCased = 2,          // the code points that Final_Sigma looks for
  kCaseIgnorable = 4,  // the code points that it skips; they never count as cased
};

std::uint8_t word_bits(char32_t c) {
  const int category = utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->category;
  const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
  const bool number = category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
  const bool cased = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT;
  const bool ignorable = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
                         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_LM ||
                         category == UTF8PROC_CATEGORY_SK;
  int bits = 0;
  if (unicode::overridden(unicode::kPythonWord, c, letter || number || c == '_')) bits |= kWord;
  if (unicode::overridden(unicode::kPythonCased, c, cased)) bits |= kCased;
  if (unicode::overridden(unicode::kPythonCaseIgnorable, c, ignorable)) bits |= kCaseIgnorable;
  return static_cast<std::uint8_t>(bits);
}

const unicode::CodePointTable<std::uint8_t>& table() {
  static const unicode::CodePointTable<std::uint8_t> bits(word_bits);
  return bits;
}

// Python's lower case of one code point, without the context of a capital sigma. utf8proc 2.8 agrees except for U+0130.
char32_t simple_lower(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

constexpr char32_t kCapitalIWithDot = 0x130, kCombiningDot = 0x307;
constexpr char32_t kCapitalSigma = 0x3A3, kSmallSigma = 0x3C3, kFinalSigma = 0x3C2;

// Whether the capital sigma between `before` and `after` ends a word: a cased code point is before it and none is after
// it; case-ignorable code points are skipped.
bool is_final_sigma(std::string_view before, std::string_view after) {
  const auto& bits = table();
  const char* p = before.data() + before.size();
  bool cased_before = false;
  while (p > before.data()) {
    do --p;
    while (utf8::is_continuation(*p));
    const char* at = p;
    const std::uint8_t its_bits = bits[utf8::decode(at)];
    if ((its_bits & kCaseIgnorable) != 0) continue;
    cased_before = (its_bits & kCased) != 0;
    break;
  }
  if (!cased_before) return false;
  p = after.data();
  while (p < after.data() + after.size()) {
    const std::uint8_t its_bits = bits[utf8::decode(p)];
    if ((its_bits & kCaseIgnorable) == 0) return (its_bits & kCased) == 0;
  }
  return true;
}

// Appends the lower case of the code point at text[place], and moves place past it.
void append_lower_at(std::string_view text, std::size_t& place, std::string& out) {
  const char* p = text.data() + place;
  const char32_t c = utf8::decode(p);
  const std::size_t next = static_cast<std::size_t>(p - text.data());
  if (c == kCapitalIWithDot) {
    out += 'i';
    utf8::append(out, kCombiningDot);
  } else if (c == kCapitalSigma) {
    utf8::append(out, is_final_sigma(text.substr(0, place), text.substr(next)) ? kFinalSigma : kSmallSigma);
  } else {
    utf8::append(out, simple_lower(c));
  }
  place = next;
}

void lower_into(std::string_view text, std::string& out) {
  utf8::check_utf8(text, "text");
  out.clear();
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      append_lower_at(text, i, out);
      continue;
    }
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    ++i;
  }
}

}  // namespace

std::string python_lower(std::string_view text) {
  std::string out;
  lower_into(text, out);
  return out;
}

void split_words(std::string_view text, std::string& lowered, std::vector<std::string_view>& words) {
  lower_into(text, lowered);
  words.clear();
  const auto& bits = table();
  const char* p = lowered.data();
  const char* const end = p + lowered.size();
  while (p < end) {
    const char* const begin = p;
    const char* word_end = p;
    std::size_t length = 0;
    while (p < end && (bits[utf8::decode(p)] & kWord) != 0) {
      ++length;
      word_end = p;
    }
    if (length >= 2) words.emplace_back(begin, static_cast<std::size_t>(word_end - begin));
  }
}

}  // namespace attune
