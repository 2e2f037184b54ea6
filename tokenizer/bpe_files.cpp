#include "tokenizer/bpe_files.h"

#include <functional>

#include "base/check.h"
#include "base/printable.h"

namespace attune {
namespace {

using Fail = std::function<void(const std::string&)>;

// Looks up the tokens of one merge; `fail` throws with the position.
BpeMerge merge_of(std::string_view left, std::string_view right, const Vocabulary& vocabulary, const Fail& fail) {
  const auto known = [&](std::string_view token) {
    const std::int32_t id = vocabulary.id(token);
    if (id < 0) fail(str_cat("token \"", printable(token), "\" of this merge is not in the vocabulary"));
    return id;
  };
  return {known(left), known(right), known(str_cat(left, right))};
}

// Splits "left right"; fails unless there are two parts and one space.
BpeMerge merge_of(std::string_view line, const Vocabulary& vocabulary, const Fail& fail) {
  const std::size_t space = line.find(' ');
  const bool two = space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
                   line.find(' ', space + 1) == std::string_view::npos;
  if (!two) fail(str_cat("expected two tokens with a space between them, found \"", printable(line), "\""));
  return merge_of(line.substr(0, space), line.substr(space + 1), vocabulary, fail);
}

std::vector<BpeMerge> read_json_merges(const json::Value& merges, const Vocabulary& vocabulary) {
  std::vector<BpeMerge> out;
  for (const json::Value& merge : merges.items()) {
    const Fail fail = [&merge](const std::string& what) { merge.fail(what); };
    if (merge.is_string()) {
      out.push_back(merge_of(merge.string(), vocabulary, fail));
      continue;
    }
    const auto parts = merge.items();
    if (parts.size() != 2) merge.fail(str_cat("expected two tokens, found ", parts.size()));
    out.push_back(merge_of(parts[0].string(), parts[1].string(), vocabulary, fail));
  }
  return out;
}

// A list of steps: the members of a Sequence, a single step, or none if the key is missing or null.
std::vector<json::Value> steps_of(const json::Value& root, std::string_view key, std::string_view members) {
  const auto step = root.find(key);
  if (!step) return {};
  if ((*step)["type"].string() == "Sequence") return (*step)[members].items();
  return {*step};
}

void read_normalizer(const json::Value& root, BpeOptions& options) {
  for (const json::Value& step : steps_of(root, "normalizer", "normalizers")) {
    const std::string type = step["type"].string();
    if (type != "NFC") step["type"].fail(str_cat("unsupported normalizer ", printable(type), " for BPE, expected NFC"));
    options.nfc = true;
  }
}

void read_pre_tokenizer(const json::Value& root, BpeOptions& options) {
  const auto steps = steps_of(root, "pre_tokenizer", "pretokenizers");
  if (steps.size() != 1)
    root.fail(str_cat("pre_tokenizer: expected one ByteLevel for BPE, found ", steps.size(), " steps"));
  const std::string type = steps[0]["type"].string();
  if (type != "ByteLevel")
    steps[0]["type"].fail(str_cat("unsupported pre_tokenizer ", printable(type), " for BPE, expected ByteLevel"));
  options.add_prefix_space = steps[0].boolean_or("add_prefix_space", true);
  options.split = steps[0].boolean_or("use_regex", true);
}

void read_model_options(const json::Value& model, const Vocabulary& vocabulary, BpeOptions& options) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.string_or(key, "").empty()) model[key].fail("unsupported, expected null or \"\"");
  if (const auto dropout = model.find("dropout"))
    if (dropout->number() != 0) dropout->fail("unsupported, expected null or 0: encoding is deterministic");
  if (model.boolean_or("byte_fallback", false)) model["byte_fallback"].fail("unsupported, expected false");
  options.ignore_merges = model.boolean_or("ignore_merges", false);
  options.fuse_unknown = model.boolean_or("fuse_unk", false);
  if (const auto unknown = model.find("unk_token")) {
    options.unknown_id = vocabulary.id(unknown->string());
    if (options.unknown_id < 0)
      unknown->fail(str_cat("\"", printable(unknown->string()), "\" is not in the vocabulary"));
  }
}

// The special tokens of the two classes by role, as they are usually spelled ("": there is none).
struct RoleToken {
  const char* role;
  const char* gpt2;
  const char* roberta;
};
constexpr RoleToken kRoleTokens[] = {{"bos_token", "<|endoftext|>", "<s>"},
                                     {"eos_token", "<|endoftext|>", "</s>"},
                                     {"unk_token", "<|endoftext|>", "<unk>"},
                                     {"pad_token", "", "<pad>"},
                                     {"cls_token", "", "<s>"},
                                     {"sep_token", "", "</s>"},
                                     {"mask_token", "", "<mask>"}};

// Makes a token of the vocabulary a special one, unless it is one already.
void add_special(const std::string& content, bool lstrip, PipelineParts& parts) {
  const std::int32_t id = parts.vocabulary.id(content);
  if (id < 0) return;
  for (const AddedToken& token : parts.added_tokens)
    if (token.id == id) return;
  parts.added_tokens.push_back({.content = content, .id = id, .lstrip = lstrip, .special = true});
}

std::int32_t special_id(const char* role, const std::string& content, const Vocabulary& vocabulary) {
  const std::int32_t id = vocabulary.id(content);
  CHECK(id >= 0, vocabulary.source(), ": ", role, " \"", printable(content), "\" is not in the vocabulary");
  return id;
}

}  // namespace

void read_vocab(const json::Value& tokens, Vocabulary& vocabulary) {
  if (tokens.is_object()) vocabulary.expect(tokens.size());
  tokens.for_each([&](const std::string& token, const json::Value& id) { vocabulary.add(token, id.integer()); });
}

std::vector<BpeMerge> read_merges_txt(std::string_view text, const std::string& file, const Vocabulary& vocabulary) {
  std::vector<BpeMerge> merges;
  int line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    begin = end + 1;
    ++line_number;
    if (line_number == 1 && line.starts_with("#version")) continue;
    if (line.empty() && begin >= text.size()) break;
    merges.push_back(merge_of(
        line, vocabulary, [&](const std::string& what) { throw Error(str_cat(file, ":", line_number, ": ", what)); }));
  }
  return merges;
}

PipelineParts read_bpe_parts(const json::Value& vocab, std::string_view merges_txt, const std::string& merges_name,
                             const TokenizerConfig& config) {
  PipelineParts parts{Vocabulary(vocab.file()), {}, nullptr, {}, -1, {}};
  Vocabulary& vocabulary = parts.vocabulary;
  read_vocab(vocab, vocabulary);
  const auto merges = read_merges_txt(merges_txt, merges_name, vocabulary);
  BpeOptions options;
  options.add_prefix_space = config.boolean_or("add_prefix_space", false);
  parts.model = std::make_unique<ByteLevelBpe>(vocabulary, merges, options);
  parts.added_tokens = config.added_tokens(vocabulary);

  std::string kind = config.tokenizer_class();
  if (kind.empty())
    kind = vocabulary.id("<s>") >= 0 && vocabulary.id("</s>") >= 0 ? "RobertaTokenizer" : "GPT2Tokenizer";
  CHECK(kind == "RobertaTokenizer" || kind == "GPT2Tokenizer", vocab.file(), ": unsupported tokenizer_class ",
        printable(kind), " for vocab.json with merges.txt, expected GPT2Tokenizer or RobertaTokenizer");
  const bool roberta = kind == "RobertaTokenizer";
  for (const auto& [role, gpt2_token, roberta_token] : kRoleTokens) {
    const bool lstrip = std::string_view(role) == "mask_token";
    add_special(config.token_or(role, roberta ? roberta_token : gpt2_token), lstrip, parts);
  }
  if (roberta)
    parts.post_template = Template::roberta(special_id("cls_token", config.token_or("cls_token", "<s>"), vocabulary),
                                            special_id("sep_token", config.token_or("sep_token", "</s>"), vocabulary));
  return parts;
}

std::unique_ptr<TextModel> read_bpe(const json::Value& root, Vocabulary& vocabulary) {
  const json::Value model = root["model"];
  BpeOptions options;
  read_normalizer(root, options);
  read_pre_tokenizer(root, options);
  read_vocab(model["vocab"], vocabulary);
  read_model_options(model, vocabulary, options);
  return std::make_unique<ByteLevelBpe>(vocabulary, read_json_merges(model["merges"], vocabulary), options);
}

}  // namespace attune
