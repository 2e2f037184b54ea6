// Files and texts with bytes changed, lost, doubled and cut off: whatever they have become, they load and encode, or
// are refused in one line. (Run under the asan preset, this is what finds a read past an end.)
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "base/check.h"
#include "tests/tokenizer/mutation.h"
#include "tests/tokenizer/plain_wordpiece.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/wordpiece_files.h"
#include "tokenizer/wordpiece_trainer.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

using testing::expect_orderly;
using testing::mutated;
using Files = std::map<std::string, std::string>;

Files small_tokenizer() {
  const WordPieceTrainerOptions options{.vocab_size = 60, .min_frequency = 1};
  WordPieceTrainer trainer(options);
  trainer.add("unaffable, affable; na\u00efve \u4e2d\u6587 words and more words 42");
  const auto files = wordpiece_files(trainer.train(), options);
  return {files.begin(), files.end()};
}

PipelineParts from_tokenizer_json(const std::string& content) {
  return read_tokenizer_json(json::parse(content, "tokenizer.json"));
}

PipelineParts from_vocab_txt(const std::string& vocab, const std::string& config) {
  return read_wordpiece(vocab, "vocab.txt", TokenizerConfig(json::parse(config, "tokenizer_config.json")));
}

TEST(WordPieceMutation, VocabTxt) {
  const auto files = small_tokenizer();
  expect_orderly(files.at("vocab.txt"), [](const std::string& vocab) { return from_vocab_txt(vocab, "{}"); });
}

TEST(WordPieceMutation, TokenizerConfig) {
  const auto files = small_tokenizer();
  expect_orderly(files.at("tokenizer_config.json"),
                 [&files](const std::string& config) { return from_vocab_txt(files.at("vocab.txt"), config); });
}

TEST(WordPieceMutation, TokenizerJson) {
  expect_orderly(small_tokenizer().at("tokenizer.json"), from_tokenizer_json);
}

TEST(WordPieceMutation, Texts) {
  const std::unique_ptr<Tokenizer> tokenizer =
      std::make_unique<Pipeline>(from_tokenizer_json(small_tokenizer().at("tokenizer.json")));
  const FastBertNormalizer normalizer({});
  testing::RandomText random(12);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string text = mutated(random.next(20), random);
    std::string lowered, normal;
    std::vector<std::string_view> words;
    if (utf8_error(text)) {
      EXPECT_THROW(tokenizer->encode(text), Error);
      EXPECT_THROW(split_words(text, lowered, words), Error);
      ++refused;
      continue;
    }
    tokenizer->decode(tokenizer->encode(text, {.max_length = 8}).ids);
    split_words(text, lowered, words);
    normalizer.normalize(text, normal);
    EXPECT_EQ(normal, utf8::to_utf8(bert_normalize(utf8::to_utf32(text), {})));
    EXPECT_EQ(unicode::nfc(unicode::nfc(text)), unicode::nfc(text));
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace attune
