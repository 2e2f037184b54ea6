#include "apps/support/explanation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/printable.h"

namespace attune {
namespace {

std::string stripped(const std::string& text) {
  const auto begin = text.find_first_not_of(" \n\t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \n\t\r") - begin + 1);
}

// Whether a token begins another word than the tokens before it, whose text is not only white space.
bool begins_word(const Tokenizer& tokenizer, const std::vector<std::int32_t>& word, std::int32_t id) {
  const std::string before = tokenizer.decode(std::array{word.back()}), own = tokenizer.decode(std::array{id});
  if (stripped(tokenizer.decode(word)).empty()) return false;
  if (own.starts_with(' ') || own.starts_with('\n') || own.starts_with('\t')) return true;
  const std::string both = stripped(tokenizer.decode(std::array{word.back(), id}));
  return both.size() > stripped(before).size() + stripped(own).size();
}

}  // namespace

bool is_special(const Tokenizer& tokenizer, std::int32_t id) {
  return tokenizer.decode(std::array{id}, true).empty();
}

Explanation by_word(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::span<const double> tokens) {
  CHECK(ids.size() <= tokens.size(), "there are ", tokens.size(), " contributions of ", ids.size(), " tokens");
  struct Word {
    std::vector<std::int32_t> ids;
    double value;
  };
  std::vector<Word> words;
  bool goes_on = false;  // the last token was one of a word
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int32_t id = ids[i];
    if (is_special(tokenizer, id)) {
      goes_on = false;
      continue;
    }
    if (!goes_on || begins_word(tokenizer, words.back().ids, id)) words.push_back({{}, 0});
    words.back().ids.push_back(id);
    words.back().value += tokens[i];
    goes_on = true;
  }
  Explanation out;
  for (const auto& [word_ids, value] : words) out.push_back({stripped(tokenizer.decode(word_ids)), value});
  return out;
}

std::string explanation_text(const Explanation& explanation, bool terminal) {
  double largest = 0;
  for (const auto& [word, value] : explanation) largest = std::max(largest, std::abs(value));
  std::string out;
  for (const auto& [word, value] : explanation) {
    if (!out.empty()) out += " ";
    if (!terminal) {
      std::array<char, 32> text{};
      std::snprintf(text.data(), text.size(), "(%+.3g)", value);
      out += printable(word) + text.data();
    } else if (const double share = largest > 0 ? std::abs(value) / largest : 0; share < 0.1) {
      out += printable(word);
    } else {
      const char* colour = value > 0 ? "32" : "31";
      out += std::string("\033[") + (share > 0.5 ? "1;" : "") + colour + "m" + printable(word) + "\033[0m";
    }
  }
  return out;
}

json::Value explanation_json(const Explanation& explanation) {
  json::Value out = json::Value::array();
  for (const auto& [word, value] : explanation) out.push_back(json::Value::array({word, value}));
  return out;
}

}  // namespace attune
