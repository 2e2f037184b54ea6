#include "tokenizer/tokenizer_json.h"

#include <set>

#include "base/check.h"
#include "base/printable.h"
#include "tokenizer/bpe_files.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/wordpiece_files.h"

namespace attune {
namespace {

using Kind = TemplatePiece::Kind;

constexpr std::int64_t kMaxTypeId = 255;  // a segment number; the reference's files hold 0 and 1

// An id that a post-processor names must exist.
std::int32_t known_id(const json::Value& node, const Vocabulary& vocabulary) {
  return static_cast<std::int32_t>(node.integer(0, vocabulary.size() - 1));
}

// ["</s>", 2] of BertProcessing and RobertaProcessing.
std::int32_t token_and_id(const json::Value& node, const Vocabulary& vocabulary) {
  const auto parts = node.items();
  if (parts.size() != 2) node.fail("expected [token, id]");
  const std::int32_t id = known_id(parts[1], vocabulary);
  if (vocabulary.token(id) != parts[0].string())
    node.fail(str_cat("id ", id, " is \"", printable(vocabulary.token(id)), "\" in the vocabulary, not \"",
                      printable(parts[0].string()), "\""));
  return id;
}

std::vector<TemplatePiece> read_pieces(const json::Value& pieces, const std::optional<json::Value>& specials,
                                       const Vocabulary& vocabulary) {
  std::vector<TemplatePiece> out;
  for (const json::Value& piece : pieces.items()) {
    const auto special = piece.find("SpecialToken");
    const json::Value body = special ? *special : piece["Sequence"];
    const json::Value name = body["id"];
    const auto type_id = static_cast<std::int32_t>(body["type_id"].integer(0, kMaxTypeId));
    if (special) {
      if (!specials) name.fail("names a special token, but special_tokens is missing");
      for (const json::Value& id : (*specials)[name.string()]["ids"].items())
        out.push_back({Kind::kSpecial, type_id, known_id(id, vocabulary)});
    } else {
      if (name.string() != "A" && name.string() != "B") name.fail("expected \"A\" or \"B\"");
      out.push_back({name.string() == "A" ? Kind::kTextA : Kind::kTextB, type_id, -1});
    }
  }
  return out;
}

Template read_one_post_processor(const json::Value& node, const Vocabulary& vocabulary) {
  const std::string type = node["type"].string();
  if (type == "BertProcessing")
    return Template::bert(token_and_id(node["cls"], vocabulary), token_and_id(node["sep"], vocabulary),
                          /*second_type=*/1);
  if (type == "RobertaProcessing")
    return Template::roberta(token_and_id(node["cls"], vocabulary), token_and_id(node["sep"], vocabulary));
  if (type != "TemplateProcessing")
    node["type"].fail(str_cat("unsupported post_processor ", printable(type),
                              ", expected ByteLevel, BertProcessing, RobertaProcessing or TemplateProcessing"));
  const auto specials = node.find("special_tokens");
  auto single = read_pieces(node["single"], specials, vocabulary);
  auto pair = read_pieces(node["pair"], specials, vocabulary);
  try {
    return Template(std::move(single), std::move(pair));
  } catch (const Error& error) {
    node.fail(error.what());
  }
}

Template read_post_processor(const json::Value& root, const Vocabulary& vocabulary) {
  const auto top = root.find("post_processor");
  if (!top) return Template();
  std::vector<json::Value> steps{*top};
  if ((*top)["type"].string() == "Sequence") steps = (*top)["processors"].items();
  std::optional<Template> found;
  for (const json::Value& step : steps) {
    if (step["type"].string() == "ByteLevel") continue;  // changes offsets only
    if (found) step.fail("a second post_processor that places special tokens is unsupported");
    found = read_one_post_processor(step, vocabulary);
  }
  return found.value_or(Template());
}

std::vector<AddedToken> read_added_tokens(const json::Value& root, Vocabulary& vocabulary) {
  std::vector<AddedToken> out;
  const auto list = root.find("added_tokens");
  if (!list) return out;
  std::set<std::string> contents;
  for (const json::Value& node : list->items()) {
    AddedToken token = read_added_token(node, node["id"].integer(), vocabulary);
    if (!contents.insert(token.content).second) node.fail(str_cat("\"", printable(token.content), "\" is added twice"));
    out.push_back(std::move(token));
  }
  return out;
}

std::unique_ptr<TextModel> read_model(const json::Value& root, Vocabulary& vocabulary) {
  const json::Value model = root["model"];
  // Files from before the introduction of the key contain BPE.
  const std::string type = model.string_or("type", "BPE");
  if (type == "BPE") return read_bpe(root, vocabulary);
  if (type == "WordPiece") return read_wordpiece(root, vocabulary);
  model["type"].fail(str_cat("unsupported model ", printable(type), ", expected BPE or WordPiece"));
}

}  // namespace

PipelineParts read_tokenizer_json(const json::Value& root) {
  const std::string version = root.string_or("version", "1.0");
  if (version != "1.0")
    root["version"].fail(str_cat("unsupported version \"", printable(version), "\", expected \"1.0\""));
  PipelineParts parts{Vocabulary(root.file()), {}, nullptr, {}, -1, {}};
  parts.model = read_model(root, parts.vocabulary);
  parts.added_tokens = read_added_tokens(root, parts.vocabulary);
  parts.vocabulary.check_complete();
  parts.post_template = read_post_processor(root, parts.vocabulary);
  return parts;
}

}  // namespace attune
