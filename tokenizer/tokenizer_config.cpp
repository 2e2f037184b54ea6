#include "tokenizer/tokenizer_config.h"

#include <charconv>

#include "base/check.h"
#include "base/printable.h"

namespace attune {

AddedToken read_added_token(const json::Value& node, std::int64_t id, Vocabulary& vocabulary) {
  AddedToken token;
  token.content = node["content"].string();
  token.special = node.boolean_or("special", false);
  token.lstrip = node.boolean_or("lstrip", false);
  token.rstrip = node.boolean_or("rstrip", false);
  token.single_word = node.boolean_or("single_word", false);
  token.normalized = node.boolean_or("normalized", !token.special);
  const std::int32_t known = vocabulary.id(token.content);
  if (known < 0)
    vocabulary.add(token.content, id);
  else if (known != id)
    node.fail(str_cat("id ", id, " contradicts the vocabulary, where \"", printable(token.content), "\" is ", known));
  token.id = vocabulary.id(token.content);
  return token;
}

std::string TokenizerConfig::tokenizer_class() const {
  std::string name = root_ ? root_->string_or("tokenizer_class", "") : "";
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

bool TokenizerConfig::boolean_or(std::string_view key, bool otherwise) const {
  return root_ ? root_->boolean_or(key, otherwise) : otherwise;
}

std::string TokenizerConfig::token_or(std::string_view role, const std::string& otherwise) const {
  const auto node = root_ ? root_->find(role) : std::nullopt;
  if (!node) return otherwise;
  return node->is_object() ? (*node)["content"].string() : node->string();
}

std::vector<AddedToken> TokenizerConfig::added_tokens(Vocabulary& vocabulary) const {
  std::vector<AddedToken> out;
  const auto decoder = root_ ? root_->find("added_tokens_decoder") : std::nullopt;
  if (!decoder) return out;
  decoder->for_each([&](const std::string& key, const json::Value& node) {
    std::int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) node.fail("the key is not an id");
    out.push_back(read_added_token(node, id, vocabulary));
  });
  return out;
}

}  // namespace attune
