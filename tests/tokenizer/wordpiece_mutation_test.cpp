// Files and texts with bytes changed, lost, doubled and cut off: whatever they have become, they load and encode, or
// are refused in one line. (Run under the asan preset, this is what finds a read past an end.)
#include <gtest/gtest.h>

#include <fstream>

#include "base/check.h"
#include "tests/support/data.h"
#include "tests/tokenizer/plain_wordpiece.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/wordpiece_trainer.h"
#include "tokenizer/words.h"

namespace attune {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

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
  return wordpiece_files(trainer.train(), options);
}

void write_files(const testing::TempDir& folder, const Files& files) {
  for (const auto& [name, content] : files) std::ofstream(folder / name, std::ios::binary) << content;
}

// Loads the folder and, where that works, encodes a few texts there and back.
bool loads(const testing::TempDir& folder) {
  std::unique_ptr<Tokenizer> tokenizer;
  try {
    tokenizer = load_tokenizer(folder.path());
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

void expect_orderly(const Files& files, const std::vector<std::string>& injured, int rounds) {
  testing::RandomText random(11);
  const testing::TempDir folder;
  int loaded = 0;
  for (int round = 0; round < rounds; ++round) {
    Files changed = files;
    for (auto& [name, content] : changed) {
      if (std::find(injured.begin(), injured.end(), name) != injured.end()) content = mutated(content, random);
    }
    write_files(folder, changed);
    loaded += loads(folder);
  }
  EXPECT_GT(loaded, 0);       // small injuries often do no harm,
  EXPECT_LT(loaded, rounds);  // and often do
}

TEST(WordPieceMutation, VocabTxt) {
  Files files = small_tokenizer();
  std::erase_if(files, [](const auto& file) { return file.first == "tokenizer.json"; });
  expect_orderly(files, {"vocab.txt"}, 1500);
  expect_orderly(files, {"tokenizer_config.json"}, 500);
}

TEST(WordPieceMutation, TokenizerJson) { expect_orderly(small_tokenizer(), {"tokenizer.json"}, 2000); }

TEST(WordPieceMutation, Texts) {
  const testing::TempDir folder;
  write_files(folder, small_tokenizer());
  const auto tokenizer = load_tokenizer(folder.path());
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
