#include "tokenizer/bert_normalizer.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "tokenizer/unicode.h"

namespace attune {
namespace {

// FastBertNormalizer::ascii_, besides the byte that is written.
constexpr std::uint8_t kDropByte = 0xFF, kOtherByte = 0xFE;

// FastBertNormalizer::actions_: 0 keeps the code point; otherwise flags above the exclusive-or of the code point and
// the one that it becomes.
constexpr std::uint32_t kTargetMask = 0x1FFFFF;
constexpr std::uint32_t kDrop = 1u << 24;
constexpr std::uint32_t kSpaced = 1u << 25;   // between spaces
constexpr std::uint32_t kSeveral = 1u << 26;  // becomes several code points: bert_normalize handles it
constexpr std::uint32_t kOrdered = 1u << 27;  // its place depends on its neighbours: the text goes to bert_normalize

// The maximum number of bytes that one code point can become: three of four bytes, and two spaces.
constexpr std::size_t kMaxBytes = 16;

std::u32string clean(std::u32string_view text) {
  const auto& classes = unicode::bert_classes();
  std::u32string out;
  for (const char32_t c : text) {
    if ((classes[c] & unicode::kBertControl) != 0) continue;
    out += (classes[c] & unicode::kBertSpace) != 0 ? U' ' : c;
  }
  return out;
}

std::u32string space_han(std::u32string_view text) {
  const auto& classes = unicode::bert_classes();
  std::u32string out;
  for (const char32_t c : text) {
    const bool han = (classes[c] & unicode::kBertHan) != 0;
    if (han) out += U' ';
    out += c;
    if (han) out += U' ';
  }
  return out;
}

std::u32string strip_accents(std::u32string_view text) {
  const auto& classes = unicode::bert_classes();
  std::u32string out = unicode::nfd(text);
  std::erase_if(out, [&classes](char32_t c) { return (classes[c] & unicode::kBertMark) != 0; });
  return out;
}

}  // namespace

std::u32string bert_normalize(std::u32string_view text, const BertNormalizerOptions& options) {
  std::u32string out(text);
  if (options.clean_text) out = clean(out);
  if (options.handle_chinese_chars) out = space_han(out);
  if (options.strip_accents) out = strip_accents(out);
  if (!options.lowercase) return out;
  std::u32string lower;
  for (const char32_t c : out) unicode::append_lower(c, lower);
  return lower;
}

namespace {

// The result for a code point.
std::uint32_t action_of(char32_t c, const BertNormalizerOptions& options) {
  const std::uint8_t its_class = unicode::bert_classes()[c];
  if (options.clean_text && (its_class & unicode::kBertControl) != 0) return kDrop;
  if (options.clean_text && (its_class & unicode::kBertSpace) != 0) return c ^ U' ';
  const bool spaced = options.handle_chinese_chars && (its_class & unicode::kBertHan) != 0;
  const std::uint32_t flags = spaced ? kSpaced : 0;
  const bool lowered = options.lowercase && unicode::has_lower(c);
  const bool stripped = options.strip_accents && (unicode::has_decomposition(c) || unicode::combining_class(c) != 0 ||
                                                  (its_class & unicode::kBertMark) != 0);
  if (!lowered && !stripped) return flags;

  BertNormalizerOptions without_han = options;
  without_han.handle_chinese_chars = false;
  const std::u32string form = bert_normalize(std::u32string(1, c), without_han);
  const auto has_class = [](char32_t part) { return unicode::combining_class(part) != 0; };
  if (options.strip_accents && std::any_of(form.begin(), form.end(), has_class)) return kOrdered;
  if (form.empty()) return kDrop;
  return form.size() == 1 ? flags | (c ^ form[0]) : flags | kSeveral;
}

// One table per setting, made when it is first requested. A lock and not std::call_once, where the program ends if an
// exception leaves it and there is no memory.
const unicode::CodePointTable<std::uint32_t>& actions_of(const BertNormalizerOptions& options) {
  using Table = unicode::CodePointTable<std::uint32_t>;
  static std::mutex one_at_a_time;
  static std::array<std::unique_ptr<const Table>, 16> tables;
  const std::size_t setting =
      options.clean_text + 2u * options.handle_chinese_chars + 4u * options.strip_accents + 8u * options.lowercase;
  const std::scoped_lock lock(one_at_a_time);
  if (tables[setting] == nullptr)
    tables[setting] = std::make_unique<const Table>([options](char32_t c) { return action_of(c, options); });
  return *tables[setting];
}

}  // namespace

FastBertNormalizer::FastBertNormalizer(const BertNormalizerOptions& options)
    : options_(options), actions_(actions_of(options)) {
  ascii_.fill(kOtherByte);
  for (char32_t c = 0; c < 0x80; ++c) {
    const std::uint32_t action = actions_[c];
    ascii_[c] = (action & kDrop) != 0 ? kDropByte : static_cast<std::uint8_t>(c ^ (action & kTargetMask));
  }
}

char* FastBertNormalizer::write_non_ascii(char32_t c, std::uint32_t action, char* out) const {
  if ((action & kSpaced) != 0) *out++ = ' ';
  if ((action & kSeveral) != 0) {
    BertNormalizerOptions without_han = options_;
    without_han.handle_chinese_chars = false;
    for (const char32_t part : bert_normalize(std::u32string(1, c), without_han)) out = utf8::encode(part, out);
  } else {
    out = utf8::encode(c ^ (action & kTargetMask), out);
  }
  if ((action & kSpaced) != 0) *out++ = ' ';
  return out;
}

void FastBertNormalizer::normalize(std::string_view text, std::string& out) const {
  const char* p = text.data();
  const char* const end = p + text.size();
  // There is always room for the rest of the input as ASCII, and for one more code point.
  out.resize(text.size() + kMaxBytes);
  char* to = out.data();
  while (p < end) {
    const std::uint8_t byte = ascii_[static_cast<unsigned char>(*p)];
    if (byte < 0x80) {
      *to++ = static_cast<char>(byte);
      ++p;
      continue;
    }
    if (byte == kDropByte) {
      ++p;
      continue;
    }
    const char32_t c = utf8::decode(p);
    const std::uint32_t its_action = actions_[c];
    if ((its_action & kOrdered) != 0) {
      out = utf8::to_utf8(bert_normalize(utf8::to_utf32(text), options_));
      return;
    }
    if ((its_action & kDrop) != 0) continue;
    to = write_non_ascii(c, its_action, to);
    const auto written = static_cast<std::size_t>(to - out.data());
    const std::size_t needed = written + static_cast<std::size_t>(end - p) + kMaxBytes;
    if (needed > out.size()) {
      out.resize(needed + needed / 2);
      to = out.data() + written;
    }
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

}  // namespace attune
