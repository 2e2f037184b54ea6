#include "tokenizer/wordpiece_trainer.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/printable.h"
#include "json/value.h"
#include "tokenizer/bert_words.h"
#include "tokenizer/merge_learner.h"

namespace attune {
namespace {

using json::Value;

const std::string kPrefix = "##";

// Tokens by id, and back.
class Tokens {
 public:
  /// The id of a token, which is added if it is new.
  std::int32_t add(const std::string& token) {
    const auto [place, is_new] = ids_.try_emplace(token, static_cast<std::int32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(token);
    return place->second;
  }
  std::int32_t id(const std::string& token) const { return ids_.at(token); }
  const std::string& operator[](std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)]; }
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::vector<std::string> take() { return std::move(tokens_); }

 private:
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

std::string spelling(char32_t c, bool begins_word) {
  std::string out = begins_word ? "" : kPrefix;
  utf8::append(out, c);
  return out;
}

}  // namespace

// The characters that are used for learning, and those among them that occur inside words.
struct WordPieceTrainer::Alphabet {
  std::set<char32_t> characters, inside;

  bool covers(std::u32string_view word) const {
    return std::all_of(word.begin(), word.end(), [this](char32_t c) { return characters.contains(c); });
  }
};

WordPieceTrainer::WordPieceTrainer(WordPieceTrainerOptions options)
    : options_(std::move(options)), normalizer_(options_.normalizer) {
  std::set<std::string> specials;
  for (const std::string& token : options_.special_tokens) {
    CHECK(!token.empty() && token.find_first_of(" \t\r\n") == std::string::npos, "WordPiece training: special token \"",
          printable(token), "\" is empty or holds white space");
    utf8::check_utf8(token, "WordPiece training: special token");
    CHECK(specials.insert(token).second, "WordPiece training: special token \"", printable(token), "\" is given twice");
  }
  for (const char* needed : {"[UNK]", "[CLS]", "[SEP]"})
    CHECK(specials.contains(needed), "WordPiece training: the special tokens lack \"", needed, "\"");
  CHECK(options_.limit_alphabet > 0, "WordPiece training: limit_alphabet is ", options_.limit_alphabet,
        ", expected at least 1");
}

void WordPieceTrainer::add(std::string_view text) {
  utf8::check_utf8(text, "text");
  normalizer_.normalize(text, normal_form_);
  BertWords words(normal_form_);
  for (std::string_view word; words.next(word);) {
    if (utf8::count(word) <= static_cast<std::size_t>(WordPieceOptions().max_chars)) ++counts_[std::string(word)];
  }
}

WordPieceTrainer::Alphabet WordPieceTrainer::alphabet() const {
  std::map<char32_t, std::int64_t> frequency;
  for (const auto& [word, count] : counts_) {
    for (const char32_t c : utf8::to_utf32(word)) frequency[c] += count;
  }
  std::vector<std::pair<std::int64_t, char32_t>> order;
  for (const auto& [c, count] : frequency) order.emplace_back(-count, c);
  std::sort(order.begin(), order.end());
  if (static_cast<std::int64_t>(order.size()) > options_.limit_alphabet)
    order.resize(static_cast<std::size_t>(options_.limit_alphabet));
  Alphabet out;
  for (const auto& [count, c] : order) out.characters.insert(c);
  for (const auto& [word, count] : counts_) {
    const std::u32string characters = utf8::to_utf32(word);
    if (out.covers(characters)) out.inside.insert(characters.begin() + 1, characters.end());
  }
  return out;
}

std::vector<std::string> WordPieceTrainer::train() const {
  CHECK(!counts_.empty(), "WordPiece training: the texts hold no word");
  const Alphabet known = alphabet();
  Tokens tokens;
  for (const std::string& token : options_.special_tokens) tokens.add(token);
  for (const char32_t c : known.characters) tokens.add(spelling(c, true));
  for (const char32_t c : known.inside) tokens.add(spelling(c, false));
  CHECK(tokens.size() <= options_.vocab_size, "WordPiece training: a vocabulary of ", options_.vocab_size,
        " tokens has no room for ", options_.special_tokens.size(), " special tokens and the characters of the texts, ",
        tokens.size(), " in all");

  std::vector<CountedWord> words;
  for (const auto& [word, count] : counts_) {
    const std::u32string characters = utf8::to_utf32(word);
    if (!known.covers(characters)) continue;
    CountedWord& counted = words.emplace_back();
    counted.count = count;
    for (const char32_t c : characters) counted.symbols.push_back(tokens.id(spelling(c, counted.symbols.empty())));
  }
  learn_merges(std::move(words), options_.min_frequency,
               [&](std::int32_t left, std::int32_t right) -> std::optional<std::int32_t> {
                 if (tokens.size() >= options_.vocab_size) return std::nullopt;
                 return tokens.add(tokens[left] + tokens[right].substr(kPrefix.size()));
               });
  return tokens.take();
}

// "[CLS] A [SEP]" and "[CLS] A [SEP] B [SEP]".
static Value post_processor(const std::vector<std::string>& tokens) {
  const auto piece = [](const char* kind, const char* name, int type_id) {
    return Value::object({{kind, Value::object({{"id", name}, {"type_id", type_id}})}});
  };
  const auto special = [&](const char* token, int type_id) { return piece("SpecialToken", token, type_id); };
  const auto ids_of = [&](const char* token) {
    const auto id = std::find(tokens.begin(), tokens.end(), token) - tokens.begin();
    return Value::object({{"id", token}, {"ids", Value::array({id})}, {"tokens", Value::array({token})}});
  };
  const Value first = special("[CLS]", 0), a = piece("Sequence", "A", 0), b = piece("Sequence", "B", 1);
  return Value::object({{"type", "TemplateProcessing"},
                        {"single", Value::array({first, a, special("[SEP]", 0)})},
                        {"pair", Value::array({first, a, special("[SEP]", 0), b, special("[SEP]", 1)})},
                        {"special_tokens", Value::object({{"[CLS]", ids_of("[CLS]")}, {"[SEP]", ids_of("[SEP]")}})}});
}

std::vector<std::pair<std::string, std::string>> wordpiece_files(const std::vector<std::string>& tokens,
                                                                 const WordPieceTrainerOptions& options) {
  std::string vocab_txt;
  std::vector<Value::Member> vocab;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    vocab_txt += tokens[id] + "\n";
    vocab.emplace_back(tokens[id], id);
  }
  Value added = Value::array();
  for (std::size_t id = 0; id < options.special_tokens.size(); ++id) {
    added.push_back(Value::object({{"id", id},
                                   {"content", tokens[id]},
                                   {"single_word", false},
                                   {"lstrip", false},
                                   {"rstrip", false},
                                   {"normalized", false},
                                   {"special", true}}));
  }
  const BertNormalizerOptions& normalizer = options.normalizer;
  const Value root =
      Value::object({{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", Value::object({{"type", "BertNormalizer"},
                                                   {"clean_text", normalizer.clean_text},
                                                   {"handle_chinese_chars", normalizer.handle_chinese_chars},
                                                   {"strip_accents", normalizer.strip_accents},
                                                   {"lowercase", normalizer.lowercase}})},
                     {"pre_tokenizer", Value::object({{"type", "BertPreTokenizer"}})},
                     {"post_processor", post_processor(tokens)},
                     {"decoder", Value::object({{"type", "WordPiece"}, {"prefix", kPrefix}, {"cleanup", true}})},
                     {"model", Value::object({{"type", "WordPiece"},
                                              {"unk_token", "[UNK]"},
                                              {"continuing_subword_prefix", kPrefix},
                                              {"max_input_chars_per_word", WordPieceOptions().max_chars},
                                              {"vocab", Value::object(std::move(vocab))}})}});
  const Value config = Value::object({{"tokenizer_class", "BertTokenizer"},
                                      {"do_lower_case", normalizer.lowercase},
                                      {"strip_accents", normalizer.strip_accents},
                                      {"tokenize_chinese_chars", normalizer.handle_chinese_chars}});
  return {{"vocab.txt", vocab_txt},
          {"tokenizer.json", root.dump() + "\n"},
          {"tokenizer_config.json", config.dump(1) + "\n"}};
}

}  // namespace attune
