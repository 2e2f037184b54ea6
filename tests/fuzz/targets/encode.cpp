// Texts through a tokenizer of each kind. Input: two bytes for tokenizer and options, a text, a second text.
#include <memory>

#include "tests/fuzz/tokenizer_checks.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/wordpiece_trainer.h"

namespace attune::fuzz {
namespace {

constexpr const char* kText =
    "The film was unaffable, but affable people don't mind: they're watching it again and again. Na\u00efve "
    "caf\u00e9s, \u4e2d\u6587 words; 42 and 1,234.50! film films filmed\n\nunwatched rewatch";

std::unique_ptr<Tokenizer> from_json(json::Value root, const json::Value& changes) {
  root.merge(changes);
  return std::make_unique<Pipeline>(read_tokenizer_json(json::parse(root.dump(), "tokenizer.json")));
}

template <class Files>
json::Value tokenizer_json_of(const Files& files) {
  for (const auto& [name, content] : files)
    if (name == "tokenizer.json") return json::parse(content, name);
  require(false, "a trained tokenizer has a tokenizer.json");
  return {};
}

json::Value bpe(const std::vector<std::string>& specials) {
  const BpeTrainerOptions options{.vocab_size = 340, .min_frequency = 1, .special_tokens = specials};
  BpeTrainer trainer(options);
  trainer.add(kText);
  return tokenizer_json_of(bpe_files(trainer.train(), options));
}

json::Value wordpiece(bool cased) {
  WordPieceTrainerOptions options{.vocab_size = 140, .min_frequency = 1};
  options.normalizer.lowercase = options.normalizer.strip_accents = !cased;
  WordPieceTrainer trainer(options);
  trainer.add(kText);
  return tokenizer_json_of(wordpiece_files(trainer.train(), options));
}

// ModernBERT's parts: NFC, and added tokens of every form.
json::Value modern_parts() {
  return json::parse(
      R"({"normalizer": {"type": "NFC"}, "added_tokens": [
        {"id": 0, "content": "<|endoftext|>", "special": true},
        {"id": 340, "content": "[MASK]", "lstrip": true, "special": true},
        {"id": 341, "content": "  ", "special": false, "normalized": true},
        {"id": 342, "content": "\u00e9x", "single_word": true, "normalized": true},
        {"id": 343, "content": "<end>", "rstrip": true, "special": false}]})",
      "changes");
}

const std::vector<std::unique_ptr<Tokenizer>>& tokenizers() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Tokenizer>> out;
    const json::Value none = json::Value::object();
    out.push_back(from_json(bpe({"<|endoftext|>"}), none));  // the first two give every text back
    out.push_back(from_json(bpe({"<s>", "<pad>", "</s>", "<unk>", "<mask>"}), none));
    out.push_back(from_json(bpe({"<|endoftext|>"}), modern_parts()));
    out.push_back(from_json(wordpiece(false), none));
    out.push_back(from_json(wordpiece(true), none));
    return out;
  }();
  return all;
}

}  // namespace

void run(std::string_view input) {
  if (input.size() < 2) return;
  const auto choice = static_cast<unsigned char>(input[0]), bits = static_cast<unsigned char>(input[1]);
  const std::size_t which = choice % tokenizers().size();
  const Tokenizer& tokenizer = *tokenizers()[which];
  const EncodeOptions options{
      .max_length = bits >> 3, .add_special_tokens = (bits & 1) != 0, .parse_special = (bits & 2) != 0};
  const auto texts = parts_of(input.substr(2), 2);
  check_text(tokenizer, texts[0], options);
  check_pair(tokenizer, texts[0], texts[1], options);
  accepted();
  if (which < 2 && !utf8_error(texts[0]))
    require(tokenizer.decode(tokenizer.encode(texts[0], {0, false, false}).ids) == texts[0],
            "byte-level ids give the text back");
}

}  // namespace attune::fuzz
