// Byte-level BPE's files and texts under mutation. (Run under the asan preset, this is what finds a read past an end.)
#include <gtest/gtest.h>

#include <map>

#include "tests/tokenizer/mutation.h"
#include "tokenizer/bpe_files.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer_json.h"

namespace attune {
namespace {

using testing::expect_orderly;
using testing::mutated_json;
using Files = std::map<std::string, std::string>;

Files small_tokenizer(const std::vector<std::string>& specials) {
  const BpeTrainerOptions options{.vocab_size = 300, .min_frequency = 1, .special_tokens = specials};
  BpeTrainer trainer(options);
  trainer.add("unaffable, affable; don't na\u00efve \u4e2d\u6587 words and more words 42");
  const auto files = bpe_files(trainer.train(), options);
  return {files.begin(), files.end()};
}

const std::vector<std::string> kRoberta = {"<s>", "<pad>", "</s>", "<unk>", "<mask>", "[UNK]"};

PipelineParts from_tokenizer_json(const std::string& content) {
  return read_tokenizer_json(json::parse(content, "tokenizer.json"));
}

PipelineParts from_parts(const std::string& vocab, const std::string& merges, const std::string& config) {
  return read_bpe_parts(json::parse(vocab, "vocab.json"), merges, "merges.txt",
                        TokenizerConfig(json::parse(config, "tokenizer_config.json")));
}

TEST(BpeMutation, VocabAndMerges) {
  const Files files = small_tokenizer(kRoberta);
  const std::string &vocab = files.at("vocab.json"), &merges = files.at("merges.txt"),
                    &config = files.at("tokenizer_config.json");
  const auto with_vocab = [&](const std::string& injured) { return from_parts(injured, merges, config); };
  const auto with_merges = [&](const std::string& injured) { return from_parts(vocab, injured, config); };
  const auto with_config = [&](const std::string& injured) { return from_parts(vocab, merges, injured); };
  expect_orderly(vocab, with_vocab);
  expect_orderly(vocab, with_vocab, mutated_json);
  expect_orderly(merges, with_merges);
  expect_orderly(config, with_config);
  expect_orderly(config, with_config, mutated_json);
}

TEST(BpeMutation, TokenizerJson) {
  for (const auto& specials : {kRoberta, std::vector<std::string>{"<|endoftext|>"}}) {
    const std::string content = small_tokenizer(specials).at("tokenizer.json");
    expect_orderly(content, from_tokenizer_json);
    expect_orderly(content, from_tokenizer_json, mutated_json);
  }
}

// The smallest file with every part, so that injuries hit each of them often.
TEST(BpeMutation, EveryPartOfATokenizerJson) {
  const std::string content = R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [
      {"id": 4, "content": "[CLS]", "single_word": true, "lstrip": true, "rstrip": true,
       "normalized": true, "special": true},
      {"id": 5, "content": "  ", "single_word": false, "lstrip": false, "rstrip": true,
       "normalized": false, "special": false}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}]},
    "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[CLS]", "type_id": 1}},
               {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [4], "tokens": ["[CLS]"]}}}]},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "dropout": null, "unk_token": "a", "fuse_unk": true, "byte_fallback": false,
      "ignore_merges": true,
      "continuing_subword_prefix": "", "end_of_word_suffix": null,
      "vocab": {"a": 0, "d": 1, "ad": 2, "ada": 3}, "merges": ["a d", ["ad", "a"]]}
  })";
  expect_orderly(content, from_tokenizer_json, mutated_json);
  expect_orderly(content, from_tokenizer_json);
}

std::unique_ptr<Tokenizer> roberta() {
  return std::make_unique<Pipeline>(from_tokenizer_json(small_tokenizer(kRoberta).at("tokenizer.json")));
}

TEST(BpeMutation, Texts) {
  const auto tokenizer = roberta();
  testing::RandomText random(13, kRoberta);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string text = testing::mutated(random.next(20), random);
    if (utf8_error(text)) {
      EXPECT_THROW(tokenizer->encode(text), Error);
      ++refused;
      continue;
    }
    const auto ids = tokenizer->encode(text, {.add_special_tokens = false, .parse_special = false}).ids;
    EXPECT_EQ(tokenizer->decode(ids), text);
  }
  EXPECT_GT(refused, 1000);
}

// Any ids of the vocabulary decode to valid UTF-8, whatever bytes they come to.
TEST(BpeMutation, Ids) {
  const auto tokenizer = roberta();
  testing::RandomText random(14);
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::int32_t> ids(random.below(12));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(300));
    EXPECT_EQ(utf8_error(tokenizer->decode(ids)), std::nullopt);
  }
}

}  // namespace
}  // namespace attune
