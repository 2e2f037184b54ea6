#include "tokenizer/wordpiece.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// FastBertNormalizer::ascii_, besides the byte that is written.
constexpr std::uint8_t kDropByte = 0xFF, kOtherByte = 0xFE;

// FastBertNormalizer::actions_: 0 keeps the code point; otherwise flags above the exclusive-or of the code point and
// the one that it becomes (so that blocks of code points that stay are all zero, and stored once).
constexpr std::uint32_t kTargetMask = 0x1FFFFF;
constexpr std::uint32_t kDrop = 1u << 24;
constexpr std::uint32_t kSpaced = 1u << 25;   // between spaces
constexpr std::uint32_t kSeveral = 1u << 26;  // becomes several code points: asked of bert_normalize
constexpr std::uint32_t kOrdered = 1u << 27;  // its place depends on its neighbours: the text goes to bert_normalize

// The most bytes that one code point can become: three of four bytes, and two spaces.
constexpr std::size_t kMostBytes = 16;

// How the ASCII bytes of a normalised text divide it into words.
enum class Divides : std::uint8_t { kNo, kSpace, kPunctuation, kNotAscii };

const std::array<Divides, 256>& dividers() {
  static const std::array<Divides, 256> table = [] {
    std::array<Divides, 256> out;
    out.fill(Divides::kNotAscii);
    const auto& classes = unicode::bert_classes();
    for (unsigned c = 0; c < 0x80; ++c) {
      const bool space = (classes[c] & unicode::kBertSpace) != 0;
      const bool punctuation = (classes[c] & unicode::kBertPunctuation) != 0;
      out[c] = space ? Divides::kSpace : punctuation ? Divides::kPunctuation : Divides::kNo;
    }
    return out;
  }();
  return table;
}

Divides divides(std::uint8_t bert_class) {
  if ((bert_class & unicode::kBertSpace) != 0) return Divides::kSpace;
  return (bert_class & unicode::kBertPunctuation) != 0 ? Divides::kPunctuation : Divides::kNo;
}

ByteTrie trie_of(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, std::int32_t>> entries;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.token(id).empty()) entries.emplace_back(vocabulary.token(id), id);
  }
  return ByteTrie(std::move(entries));
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// What the reference's decoder does to each piece with the space before it.
void clean_up(std::string& piece) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(piece, from, to);
}

}  // namespace

FastBertNormalizer::FastBertNormalizer(const BertNormalizerOptions& options)
    : options_(options), actions_([this](char32_t c) { return action(c); }) {
  ascii_.fill(kOtherByte);
  for (char32_t c = 0; c < 0x80; ++c) {
    const std::uint32_t its_action = actions_[c];
    ascii_[c] = (its_action & kDrop) != 0 ? kDropByte : static_cast<std::uint8_t>(c ^ (its_action & kTargetMask));
  }
}

std::uint32_t FastBertNormalizer::action(char32_t c) const {
  const std::uint8_t its_class = unicode::bert_classes()[c];
  if (options_.clean_text && (its_class & unicode::kBertControl) != 0) return kDrop;
  if (options_.clean_text && (its_class & unicode::kBertSpace) != 0) return c ^ U' ';
  const bool spaced = options_.handle_chinese_chars && (its_class & unicode::kBertHan) != 0;
  const std::uint32_t flags = spaced ? kSpaced : 0;
  const bool lowered = options_.lowercase && unicode::has_lower(c);
  const bool stripped = options_.strip_accents && (unicode::has_decomposition(c) || unicode::combining_class(c) != 0 ||
                                                   (its_class & unicode::kBertMark) != 0);
  if (!lowered && !stripped) return flags;

  BertNormalizerOptions without_han = options_;
  without_han.handle_chinese_chars = false;
  const std::u32string form = bert_normalize(std::u32string(1, c), without_han);
  const auto has_class = [](char32_t part) { return unicode::combining_class(part) != 0; };
  if (options_.strip_accents && std::any_of(form.begin(), form.end(), has_class)) return kOrdered;
  if (form.empty()) return kDrop;
  return form.size() == 1 ? flags | (c ^ form[0]) : flags | kSeveral;
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
  // Room for what is left to read as ASCII, and for one code point beyond it, is kept at all times.
  out.resize(text.size() + kMostBytes);
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
    const std::size_t needed = written + static_cast<std::size_t>(end - p) + kMostBytes;
    if (needed > out.size()) {
      out.resize(needed + needed / 2);
      to = out.data() + written;
    }
  }
  out.resize(static_cast<std::size_t>(to - out.data()));
}

WordPiece::WordPiece(const Vocabulary& vocabulary, WordPieceOptions options)
    : options_(std::move(options)),
      trie_(trie_of(vocabulary)),
      continuation_(trie_.walk(ByteTrie::kRoot, options_.prefix)) {
  CHECK(options_.unknown_id >= 0 && options_.unknown_id < vocabulary.size(), vocabulary.source(),
        ": WordPiece needs an unknown token (such as [UNK]) in its vocabulary");
  CHECK(options_.max_chars > 0, vocabulary.source(), ": the longest word has ", options_.max_chars,
        " code points, expected at least 1");
  if (options_.normalizer) normalizer_.emplace(*options_.normalizer);
}

bool WordPiece::normalize(std::string_view text, std::string& out) const {
  if (!normalizer_) return false;
  normalizer_->normalize(text, out);
  return true;
}

void WordPiece::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  const auto longest = static_cast<std::size_t>(options_.max_chars);
  if (word.size() > longest && utf8::count(word) > longest) {
    ids.push_back(options_.unknown_id);
    return;
  }
  const std::size_t ids_before = ids.size();
  const char* p = word.data();
  const char* const end = p + word.size();
  for (ByteTrie::State root = ByteTrie::kRoot; p < end; root = continuation_) {
    std::int32_t found = -1;
    const char* found_end = p;
    ByteTrie::State state = root;
    for (const char* q = p; q < end && state != ByteTrie::kNone;) {
      state = trie_.step(state, *q++);
      if (state == ByteTrie::kNone) break;
      if (trie_.value(state) >= 0) {
        found = trie_.value(state);
        found_end = q;
      }
    }
    if (found < 0) {
      ids.resize(ids_before);
      ids.push_back(options_.unknown_id);
      return;
    }
    ids.push_back(found);
    p = found_end;
  }
}

void WordPiece::encode(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const {
  const auto& divider = dividers();
  const auto& classes = unicode::bert_classes();
  const char* const end = text.data() + text.size();
  const char* word = text.data();  // where the word being read begins
  const auto finish_word = [&](const char* word_end) {
    if (word_end > word) encode_word({word, static_cast<std::size_t>(word_end - word)}, ids);
  };
  for (const char* p = text.data(); p < end;) {
    const char* const at = p;
    Divides kind = divider[static_cast<unsigned char>(*p)];
    if (kind == Divides::kNotAscii)
      kind = divides(classes[utf8::decode(p)]);
    else
      ++p;
    if (kind == Divides::kNo) continue;
    finish_word(at);
    word = at;
    if (kind == Divides::kPunctuation) finish_word(p);
    word = p;
    if (ids.size() >= limit) return;
  }
  finish_word(end);
}

void WordPiece::append_decoded(std::string_view token, bool /*added*/, bool first, std::string& out) const {
  std::string piece(token);
  if (!first) {
    if (token.starts_with(options_.prefix))
      piece.erase(0, options_.prefix.size());
    else
      piece.insert(0, 1, ' ');
  }
  if (options_.cleanup) clean_up(piece);
  out += piece;
}

}  // namespace attune
