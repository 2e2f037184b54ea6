#include "tokenizer/wordpiece.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tokenizer/bert_words.h"

namespace attune {
namespace {

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

// The change of the reference's decoder to each piece with the space before it.
void clean_up(std::string& piece) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(piece, from, to);
}

}  // namespace

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
  BertWords words(text);
  for (std::string_view word; ids.size() < limit && words.next(word);) encode_word(word, ids);
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
