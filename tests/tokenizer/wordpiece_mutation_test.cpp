// Files and texts with bytes changed, lost, doubled and cut off: whatever they have become, they load and encode, or
// are refused in one line. (Run under the asan preset, this is what finds a read past an end.)
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>

#include "base/check.h"
#include "tests/tokenizer/plain_wordpiece.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/wordpiece_files.h"
#include "tokenizer/wordpiece_trainer.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

using Files = std::map<std::string, std::string>;

// One to four small injuries.
std::string mutated(std::string bytes, testing::RandomText& random) {
  static const std::string_view kPieces[] = {"\n",   "\n\n", "\"",           "{",       "}",       "[",  "]",
                                             ":",    ",",    "null",         "-1",      "1e99",    "##", "[UNK]",
                                             "\xFF", "\xC3", "\xED\xA0\x80", "\\ud800", "\\u0000", "\t"};
  for (std::uint32_t injuries = 1 + random.below(4); injuries > 0 && !bytes.empty(); --injuries) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    const std::size_t at = random.below(size), length = random.below(std::min(size, 20u));
    const std::string_view piece = kPieces[random.below(static_cast<std::uint32_t>(std::size(kPieces)))];
    switch (random.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        bytes.erase(at, length);
        break;
      case 2:
        bytes.insert(at, bytes.substr(random.below(size), length));
        break;
      case 3:
        bytes.insert(at, piece);
        break;
      case 4:
        bytes.replace(at, std::min(length, bytes.size() - at), piece);
        break;
      default:
        bytes.resize(random.below(20) == 0 ? at : size - random.below(std::min(size, 4u)));
        break;
    }
  }
  return bytes;
}

Files small_tokenizer() {
  const WordPieceTrainerOptions options{.vocab_size = 60, .min_frequency = 1};
  WordPieceTrainer trainer(options);
  trainer.add("unaffable, affable; na\u00efve \u4e2d\u6587 words and more words 42");
  const auto files = wordpiece_files(trainer.train(), options);
  return {files.begin(), files.end()};
}

PipelineParts from_tokenizer_json(const std::string& content) {
  return read_tokenizer_json(JsonNode::parse(content, "tokenizer.json"));
}

PipelineParts from_vocab_txt(const std::string& vocab, const std::string& config) {
  return read_wordpiece(vocab, "vocab.txt", TokenizerConfig(JsonNode::parse(config, "tokenizer_config.json")));
}

// Whether the parts can be read and put together; if so, encodes a few texts there and back.
bool works(const std::function<PipelineParts()>& read) {
  std::unique_ptr<Tokenizer> tokenizer;
  try {
    tokenizer = std::make_unique<Pipeline>(read());
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()), "");
    return false;
  }
  for (const char* text : {"", "unaffable [MASK] w\u00f6rds 42!", "\u4e2d\u6587 zzz \u0301"}) {
    const Encoding encoding = tokenizer->encode(text);
    EXPECT_EQ(encoding.ids.size(), encoding.type_ids.size());
    tokenizer->decode(encoding.ids);
    tokenizer->encode_pair(text, text, {.max_length = 16});
  }
  return true;
}

// Injures `content` again and again; read(content) is what is to stay orderly.
void expect_orderly(const std::string& content, const std::function<PipelineParts(const std::string&)>& read) {
  constexpr int kRounds = 5000;
  testing::RandomText random(11);
  int working = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string injured = mutated(content, random);
    working += works([&] { return read(injured); });
  }
  EXPECT_GT(working, 0);        // small injuries sometimes do no harm,
  EXPECT_LT(working, kRounds);  // and often do
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

TEST(WordPieceMutation, TokenizerJson) { expect_orderly(small_tokenizer().at("tokenizer.json"), from_tokenizer_json); }

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
    if (utf8::find_invalid(text) != std::string_view::npos) {
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
