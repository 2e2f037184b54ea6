#include "tokenizer/wordpiece_files.h"

#include "base/check.h"
#include "base/printable.h"
#include "tokenizer/bpe_files.h"
#include "tokenizer/utf8.h"
#include "tokenizer/wordpiece.h"

namespace attune {
namespace {

// The special tokens of BertTokenizer by role, with their usual spelling; those that its template or model need come
// first.
constexpr int kNeededRoles = 3;
constexpr std::pair<const char*, const char*> kRoles[] = {{"unk_token", "[UNK]"},
                                                          {"cls_token", "[CLS]"},
                                                          {"sep_token", "[SEP]"},
                                                          {"pad_token", "[PAD]"},
                                                          {"mask_token", "[MASK]"}};

// A line without the white space at its end; a line that is only white space is a separate token.
std::string_view trim_end(std::string_view line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    std::size_t last = rest.size() - 1;
    while (last > 0 && utf8::is_continuation(rest[last])) --last;
    const char* p = rest.data() + last;
    if (!unicode::is_whitespace(utf8::decode(p))) return rest;
    rest = rest.substr(0, last);
  }
  return line;
}

std::optional<BertNormalizerOptions> read_normalizer(const json::Value& root) {
  const auto node = root.find("normalizer");
  if (!node) return std::nullopt;
  const std::string type = (*node)["type"].string();
  if (type != "BertNormalizer")
    (*node)["type"].fail(
        str_cat("unsupported normalizer ", printable(type), " for WordPiece, expected BertNormalizer"));
  BertNormalizerOptions options;
  options.clean_text = node->boolean_or("clean_text", true);
  options.handle_chinese_chars = node->boolean_or("handle_chinese_chars", true);
  options.lowercase = node->boolean_or("lowercase", true);
  options.strip_accents = node->boolean_or("strip_accents", options.lowercase);
  return options;
}

void check_pre_tokenizer(const json::Value& root) {
  const json::Value node = root["pre_tokenizer"];
  const std::string type = node["type"].string();
  if (type != "BertPreTokenizer")
    node["type"].fail(
        str_cat("unsupported pre_tokenizer ", printable(type), " for WordPiece, expected BertPreTokenizer"));
}

bool read_decoder(const json::Value& root, const std::string& prefix) {
  const auto node = root.find("decoder");
  if (!node) return true;
  const std::string type = (*node)["type"].string();
  if (type != "WordPiece")
    (*node)["type"].fail(str_cat("unsupported decoder ", printable(type), " for WordPiece, expected WordPiece"));
  if (node->string_or("prefix", "##") != prefix)
    (*node)["prefix"].fail("differs from the model's continuing_subword_prefix");
  return node->boolean_or("cleanup", true);
}

}  // namespace

void read_vocab_txt(std::string_view text, const std::string& file, Vocabulary& vocabulary) {
  std::int64_t id = 0;
  for (std::size_t begin = 0; begin < text.size(); ++id) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    begin = end + 1;
    const std::string where = str_cat(file, ":", id + 1);
    utf8::check_utf8(line, where);
    const std::string_view token = trim_end(line);
    CHECK(!token.empty(), where, ": the line is empty, expected a token (the id is the line's number from 0)");
    CHECK(vocabulary.id(token) < 0, where, ": token \"", printable(token), "\" stands in line ",
          vocabulary.id(token) + 1, " already");
    vocabulary.add(token, id);
  }
  CHECK(id > 0, file, ": the vocabulary is empty");
}

PipelineParts read_wordpiece(std::string_view text, const std::string& file, const TokenizerConfig& config) {
  PipelineParts parts{Vocabulary(file), {}, nullptr, {}, -1, {}};
  Vocabulary& vocabulary = parts.vocabulary;
  read_vocab_txt(text, file, vocabulary);

  std::int32_t needed[kNeededRoles];
  std::vector<AddedToken> by_role;
  for (int i = 0; i < static_cast<int>(std::size(kRoles)); ++i) {
    const std::string content = config.token_or(kRoles[i].first, kRoles[i].second);
    const std::int32_t id = vocabulary.id(content);
    if (i < kNeededRoles) {
      CHECK(id >= 0, file, ": ", kRoles[i].first, " \"", printable(content), "\" is not in the vocabulary");
      needed[i] = id;
    }
    if (id >= 0) by_role.push_back({.content = content, .id = id, .special = true});
  }
  WordPieceOptions options;
  options.unknown_id = needed[0];
  options.normalizer.emplace();
  options.normalizer->handle_chinese_chars = config.boolean_or("tokenize_chinese_chars", true);
  options.normalizer->lowercase = config.boolean_or("do_lower_case", true);
  options.normalizer->strip_accents = config.boolean_or("strip_accents", options.normalizer->lowercase);
  parts.model = std::make_unique<WordPiece>(vocabulary, options);
  parts.post_template = Template::bert(needed[1], needed[2], /*second_type=*/1);
  parts.added_tokens = config.added_tokens(vocabulary);
  for (AddedToken& token : by_role) {
    const auto same = [&token](const AddedToken& other) { return other.id == token.id; };
    if (std::none_of(parts.added_tokens.begin(), parts.added_tokens.end(), same))
      parts.added_tokens.push_back(std::move(token));
  }
  return parts;
}

std::unique_ptr<TextModel> read_wordpiece(const json::Value& root, Vocabulary& vocabulary) {
  const json::Value model = root["model"];
  read_vocab(model["vocab"], vocabulary);
  WordPieceOptions options;
  options.normalizer = read_normalizer(root);
  check_pre_tokenizer(root);
  options.prefix = model.string_or("continuing_subword_prefix", "##");
  options.cleanup = read_decoder(root, options.prefix);
  options.max_chars = model.integer_or("max_input_chars_per_word", options.max_chars, 1);
  const std::string unknown = model.string_or("unk_token", "[UNK]");
  options.unknown_id = vocabulary.id(unknown);
  if (options.unknown_id < 0) model.fail(str_cat("unk_token \"", printable(unknown), "\" is not in the vocabulary"));
  return std::make_unique<WordPiece>(vocabulary, options);
}

}  // namespace attune
