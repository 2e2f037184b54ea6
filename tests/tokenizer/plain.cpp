#include "tests/tokenizer/plain.h"

#include <re2/re2.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace attune::testing {
namespace {

// The code points of a class, as the inside of a bracket expression.
std::string ranges_of(unicode::SplitClass wanted) {
  std::ostringstream out;
  out << std::hex;
  const auto is_member = [&](char32_t c) {
    return c <= utf8::kMaxCodePoint && (c < 0xD800 || c > 0xDFFF) && unicode::split_classes()[c] == wanted;
  };
  for (char32_t first = 0; first <= utf8::kMaxCodePoint; ++first) {
    if (!is_member(first)) continue;
    char32_t last = first;
    while (is_member(last + 1)) ++last;
    out << "\\x{" << static_cast<std::uint32_t>(first) << "}-\\x{" << static_cast<std::uint32_t>(last) << "}";
    first = last;
  }
  return out.str();
}

// Length of a text without the white space at its end.
std::size_t length_without_spaces(std::string_view text) {
  std::size_t length = 0;
  for (const char* at = text.data(); at < text.data() + text.size();)
    if (!unicode::is_whitespace(utf8::decode(at))) length = static_cast<std::size_t>(at - text.data());
  return length;
}

}  // namespace

PlainSplitter::PlainSplitter() {
  const std::string letter = ranges_of(unicode::SplitClass::kLetter), number = ranges_of(unicode::SplitClass::kNumber),
                    space = ranges_of(unicode::SplitClass::kSpace);
  re2::RE2::Options options;
  options.set_max_mem(64 << 20);
  pattern_ = std::make_unique<re2::RE2>("('s|'t|'re|'ve|'m|'ll|'d| ?[" + letter + "]+| ?[" + number + "]+| ?[^" +
                                            space + letter + number + "]+)|([" + space + "]+)",
                                        options);
  if (!pattern_->ok()) throw std::runtime_error(pattern_->error());
}

PlainSplitter::~PlainSplitter() = default;

std::vector<std::string> PlainSplitter::split(std::string_view text) const {
  std::vector<std::string> out;
  re2::StringPiece rest(text.data(), text.size());
  re2::StringPiece visible, spaces;
  while (!rest.empty()) {
    if (!re2::RE2::Consume(&rest, *pattern_, &visible, &spaces))
      throw std::runtime_error("the pattern must match everywhere");
    if (visible.data() != nullptr) {
      out.emplace_back(visible);
      continue;
    }
    // \s+(?!\S): white space before something else leaves its last character behind, unless that is all there is.
    std::size_t last = spaces.size() - 1;
    while (utf8::is_continuation(spaces[last])) --last;
    if (!rest.empty() && last > 0) {
      rest = re2::StringPiece(spaces.data() + last,
                              static_cast<std::size_t>(text.data() + text.size() - spaces.data()) - last);
      spaces = spaces.substr(0, last);
    }
    out.emplace_back(spaces);
  }
  return out;
}

std::vector<std::pair<std::string, std::int32_t>> plain_parts(std::string_view text,
                                                              const std::vector<AddedToken>& tokens,
                                                              bool parse_special) {
  std::vector<std::pair<std::string, std::int32_t>> out;
  std::string between;
  const auto flush = [&] {
    if (!between.empty()) out.emplace_back(between, -1);
    between.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* longest = nullptr;
    for (const AddedToken& token : tokens)
      if (text.substr(at).starts_with(token.content) && (!longest || token.content.size() > longest->content.size()))
        longest = &token;
    if (longest == nullptr) {
      between += text[at++];
      continue;
    }
    at += longest->content.size();
    if (longest->special && !parse_special) {
      between += longest->content;
      continue;
    }
    if (longest->lstrip) between.resize(length_without_spaces(between));
    flush();
    out.emplace_back(longest->content, longest->id);
  }
  flush();
  return out;
}

PlainBpe::PlainBpe(const std::string& tokenizer_json) {
  std::ifstream file(tokenizer_json);
  const auto root = nlohmann::json::parse(file);
  for (const auto& [token, id] : root["model"]["vocab"].items()) vocab_[token] = id.get<std::int32_t>();
  for (const auto& merge : root["model"]["merges"])
    ranks_[{merge[0].get<std::string>(), merge[1].get<std::string>()}] = static_cast<int>(ranks_.size());
  for (const auto& node : root["added_tokens"]) {
    AddedToken token{
        .content = node["content"], .id = node["id"], .lstrip = node["lstrip"], .special = node["special"]};
    (node["normalized"].get<bool>() ? normalized_ : raw_).push_back(token);
  }
  nfc_ = root["normalizer"].is_object();
}

std::vector<std::int32_t> PlainBpe::merge(std::string_view piece) const {
  std::vector<std::string> symbols;
  for (const char byte : piece) symbols.push_back(to_byte_level({&byte, 1}));
  while (true) {
    int best = -1;
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks_.find({symbols[i], symbols[i + 1]});
      if (found == ranks_.end() || (best >= 0 && found->second >= best)) continue;
      best = found->second;
      where = i;
    }
    if (best < 0) break;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
  std::vector<std::int32_t> ids;
  for (const std::string& symbol : symbols) ids.push_back(vocab_.at(symbol));
  return ids;
}

std::vector<std::int32_t> PlainBpe::encode(std::string_view text, bool parse_special) const {
  std::vector<std::int32_t> ids;
  for (const auto& [raw, raw_id] : plain_parts(text, raw_, parse_special)) {
    if (raw_id >= 0) {
      ids.push_back(raw_id);
      continue;
    }
    for (const auto& [part, id] : plain_parts(nfc_ ? unicode::nfc(raw) : raw, normalized_, parse_special)) {
      if (id >= 0) {
        ids.push_back(id);
        continue;
      }
      for (const std::string& piece : splitter_.split(part))
        for (const std::int32_t merged : merge(piece)) ids.push_back(merged);
    }
  }
  return ids;
}

}  // namespace attune::testing
