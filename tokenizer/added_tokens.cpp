#include "tokenizer/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/check.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace attune {
namespace {

std::size_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

std::uint64_t edge(std::uint32_t node, std::size_t byte) {
  return (std::uint64_t{node} << 8) | byte;
}

char32_t code_point_at(std::string_view text, std::size_t begin) {
  const char* at = text.data() + begin;
  return utf8::decode(at);
}

// The code point that ends at `end` > 0 of valid UTF-8, and where it begins.
std::pair<char32_t, std::size_t> code_point_before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && utf8::is_continuation(text[begin])) --begin;
  return {code_point_at(text, begin), begin};
}

// The \w of the reference's regex engine: Alphabetic, marks, decimal numbers, connectors, joiners (Unicode TR 18, annex
// C). Letters and numbers newer than utf8proc's Unicode are known to split_classes(); the new numbers are all decimal.
bool is_word(char32_t c) {
  if (unicode::split_classes()[c] == unicode::SplitClass::kLetter) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    case UTF8PROC_CATEGORY_CN:
      return unicode::split_classes()[c] == unicode::SplitClass::kNumber;
    // Circled and squared letters are symbols by category, alphabetic by property.
    case UTF8PROC_CATEGORY_SO:
      return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
             (c >= 0x1F170 && c <= 0x1F189);
    default:
      return c == 0x200C || c == 0x200D;
  }
}

std::size_t strip_left(std::string_view text, std::size_t begin, std::size_t floor) {
  while (begin > floor) {
    const auto [code_point, before] = code_point_before(text, begin);
    if (!unicode::is_whitespace(code_point)) break;
    begin = before;
  }
  return std::max(begin, floor);
}

std::size_t strip_right(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    const char* after = text.data() + end;
    if (!unicode::is_whitespace(utf8::decode(after))) break;
    end = static_cast<std::size_t>(after - text.data());
  }
  return end;
}

// Whether no word character touches text[begin, end).
bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  if (begin > 0 && is_word(code_point_before(text, begin).first)) return false;
  return end == text.size() || !is_word(code_point_at(text, end));
}

}  // namespace

AddedTokenSearch::AddedTokenSearch(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), begins_with_{}, begins_with_two_(65536), ends_(1, -1) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) continue;
    if (!begins_with_[byte_at(content, 0)]) first_bytes_ += content[0];
    begins_with_[byte_at(content, 0)] = true;
    for (std::size_t second = 0; second < 256; ++second)
      if (content.size() == 1 || byte_at(content, 1) == second)
        begins_with_two_[byte_at(content, 0) << 8 | second] = true;
    std::uint32_t node = 0;
    for (std::size_t k = 0; k < content.size(); ++k) {
      const auto [child, inserted] =
          children_.emplace(edge(node, byte_at(content, k)), static_cast<std::uint32_t>(ends_.size()));
      if (inserted) ends_.push_back(-1);
      node = child->second;
    }
    // Two tokens may have the same normalised spelling; the later one wins.
    ends_[node] = static_cast<std::int32_t>(i);
  }
}

AddedTokenSearch::Match AddedTokenSearch::find(std::string_view text, std::size_t from) const {
  if (first_bytes_.empty()) return {};
  const bool one = first_bytes_.size() == 1;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (one) i = std::min(text.find(first_bytes_[0], i), text.size() - 1);
    if (!begins_with_[byte_at(text, i)]) continue;
    if (i + 1 < text.size() && !begins_with_two_[byte_at(text, i) << 8 | byte_at(text, i + 1)]) continue;
    Match longest;
    std::uint32_t node = 0;
    for (std::size_t k = i; k < text.size(); ++k) {
      const auto child = children_.find(edge(node, byte_at(text, k)));
      if (child == children_.end()) break;
      node = child->second;
      if (ends_[node] >= 0) longest = {i, k + 1, &tokens_[static_cast<std::size_t>(ends_[node])]};
    }
    if (longest.token != nullptr) return longest;
  }
  return {};
}

void AddedTokenSearch::split(std::string_view text, bool parse_special, std::vector<TextPart>& parts) const {
  std::size_t done = 0;  // the text before it has been cut into parts
  for (std::size_t from = 0; from < text.size();) {
    const Match match = find(text, from);
    if (match.token == nullptr) break;
    from = match.end;
    const AddedToken& token = *match.token;
    if (!parse_special && token.special) continue;
    if (token.single_word && !stands_alone(text, match.begin, match.end)) continue;
    // An earlier rstrip may have removed the white space at the beginning of this match, or the whole match.
    std::size_t begin = match.begin;
    if (token.lstrip) begin = begin > done ? strip_left(text, begin, done) : done;
    const std::size_t end = token.rstrip ? strip_right(text, match.end) : match.end;
    if (done < begin) parts.push_back({text.substr(done, begin - done), -1});
    if (begin < end) parts.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
}

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens,
                         const std::function<std::string(std::string_view)>& normalize) {
  std::vector<AddedToken> raw, normalized;
  for (const AddedToken& token : tokens) {
    CHECK(by_id_.emplace(token.id, token).second, "added token id ", token.id, " appears twice");
    if (token.normalized) {
      normalized.push_back(token);
      normalized.back().content = normalize(token.content);
    } else {
      raw.push_back(token);
    }
  }
  raw_ = AddedTokenSearch(std::move(raw));
  normalized_ = AddedTokenSearch(std::move(normalized));
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

}  // namespace attune
