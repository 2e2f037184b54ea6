// Byte-level BPE on small vocabularies: alphabet, merges, options, decoding, batches.
#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "base/read_file.h"
#include "tests/support/data.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;
using Json = nlohmann::json;

TEST(ByteLevel, AlphabetIsTheDocumentedOne) {
  EXPECT_EQ(to_byte_level(" \n\t"), "ĠĊĉ");
  EXPECT_EQ(to_byte_level("aZ~!"), "aZ~!");
  EXPECT_EQ(to_byte_level("\xAD"), "\u0143");
  EXPECT_EQ(to_byte_level("\xFF"), "ÿ");
}

TEST(ByteLevel, RoundTripsEveryByte) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  EXPECT_EQ(from_byte_level(to_byte_level(bytes)), bytes);
  EXPECT_EQ(from_byte_level("a b"), std::nullopt);     // U+0020 is not in the alphabet
  EXPECT_EQ(from_byte_level("\u0144"), std::nullopt);  // the first code point behind it
  EXPECT_EQ(from_byte_level("\xC3"), std::nullopt);    // not UTF-8
}

Vocabulary vocabulary_of(const std::vector<std::string>& tokens) {
  Vocabulary vocabulary("test");
  for (std::size_t i = 0; i < tokens.size(); ++i) vocabulary.add(tokens[i], static_cast<std::int64_t>(i));
  return vocabulary;
}

Ids encode(const ByteLevelBpe& bpe, std::string_view text, std::size_t limit = 1000) {
  Ids ids;
  bpe.encode(text, limit, ids);
  return ids;
}

TEST(BpeMerger, LowestRankThenLeftmost) {
  // a b -> 10 (rank 1), b a -> 11 (rank 0), a a -> 12 (rank 2)
  const BpeMerger merger(std::vector<BpeMerge>{{1, 0, 11}, {0, 1, 10}, {0, 0, 12}});
  BpeMerger::Scratch scratch;
  Ids symbols = {0, 1, 0, 1};  // a b a b: "b a" first, then nothing joins
  merger.merge(symbols, scratch);
  EXPECT_EQ(symbols, (Ids{0, 11, 1}));
  symbols = {0, 0, 0};
  merger.merge(symbols, scratch);
  EXPECT_EQ(symbols, (Ids{12, 0}));
  symbols = {};
  merger.merge(symbols, scratch);
  EXPECT_TRUE(symbols.empty());
}

TEST(BpeMerger, ALaterMergeOfTheSamePairWins) {
  const BpeMerger merger(std::vector<BpeMerge>{{0, 1, 10}, {1, 2, 11}, {0, 1, 12}});
  BpeMerger::Scratch scratch;
  Ids symbols = {0, 1, 2};
  merger.merge(symbols, scratch);
  EXPECT_EQ(symbols, (Ids{0, 11}));  // "0 1" moved behind "1 2"
}

TEST(BpeMerger, AMillionEqualSymbolsEndSoon) {
  const BpeMerger merger(std::vector<BpeMerge>{{0, 0, 1}, {1, 1, 2}});
  BpeMerger::Scratch scratch;
  Ids symbols(1'000'000, 0);
  merger.merge(symbols, scratch);
  EXPECT_EQ(symbols, Ids(250'000, 2));
}

TEST(ByteLevelBpe, UnknownBytes) {
  const Vocabulary vocabulary = vocabulary_of({"a", "b", "ab", "?"});
  const std::vector<BpeMerge> merges = {{0, 1, 2}};
  EXPECT_EQ(encode({vocabulary, merges, {}}, "axb"), (Ids{2}));  // without an unknown token the byte vanishes
  EXPECT_EQ(encode({vocabulary, merges, {.unknown_id = 3}}, "axyb"), (Ids{0, 3, 3, 1}));
  EXPECT_EQ(encode({vocabulary, merges, {.unknown_id = 3, .fuse_unknown = true}}, "axyb"), (Ids{0, 3, 1}));
}

TEST(ByteLevelBpe, TokensNoMergeReachesNeedIgnoreMerges) {
  const Vocabulary vocabulary = vocabulary_of({"a", "b", "ab"});
  EXPECT_EQ(encode({vocabulary, {}, {}}, "ab"), (Ids{0, 1}));
  EXPECT_EQ(encode({vocabulary, {}, {.ignore_merges = true}}, "ab"), (Ids{2}));
}

TEST(ByteLevelBpe, PrefixSpaceAndSplit) {
  const Vocabulary vocabulary = vocabulary_of({"a", "Ġ", "Ġa", "aĠ"});
  const std::vector<BpeMerge> merges = {{0, 1, 3}, {1, 0, 2}};
  EXPECT_EQ(encode({vocabulary, merges, {}}, "a a"), (Ids{0, 2}));
  EXPECT_EQ(encode({vocabulary, merges, {.add_prefix_space = true}}, "a a"), (Ids{2, 2}));
  EXPECT_EQ(encode({vocabulary, merges, {.add_prefix_space = true}}, " a"), (Ids{2}));
  EXPECT_EQ(encode({vocabulary, merges, {.split = false}}, "a a"), (Ids{3, 0}));
}

TEST(ByteLevelBpe, PiecesAroundTheLengthOfATableKey) {
  // Tokens of 1 to 20 times "a", each one merge longer: pieces of 14, 15 and 16 bytes take different ways through the
  // table.
  std::vector<std::string> tokens = {"a"};
  std::vector<BpeMerge> merges;
  for (std::int32_t n = 2; n <= 20; ++n) {
    tokens.push_back(std::string(static_cast<std::size_t>(n), 'a'));
    merges.push_back({n - 2, 0, n - 1});
  }
  const Vocabulary vocabulary = vocabulary_of(tokens);
  const ByteLevelBpe bpe(vocabulary, merges, {.ignore_merges = true});
  for (std::int32_t n = 1; n <= 20; ++n) EXPECT_EQ(encode(bpe, tokens[static_cast<std::size_t>(n - 1)]), (Ids{n - 1}));
  // A text that ends within a machine word of the piece, and one that goes on with other bytes.
  EXPECT_EQ(encode(bpe, "aaa!"), (Ids{2}));
}

class RealTokenizers : public ::testing::TestWithParam<const char*> {};

TEST_P(RealTokenizers, DecodeGivesTheTextBack) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto tokenizer = load_tokenizer(data / "tokenizers" / GetParam());
  testing::RandomText random(11, {"<|endoftext|>", "[MASK]"});
  const bool nfc = std::string(GetParam()) == "modernbert";
  for (int i = 0; i < 5000; ++i) {
    const std::string text = random.next();
    const EncodeOptions plain{.add_special_tokens = false, .parse_special = false};
    const std::string decoded = tokenizer->decode(tokenizer->encode(text, plain).ids);
    EXPECT_EQ(decoded, nfc ? unicode::nfc(text) : text) << Json(text).dump();
  }
}

TEST_P(RealTokenizers, ShorterLimitsGivePrefixesAndThreadsChangeNothing) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto tokenizer = load_tokenizer(data / "tokenizers" / GetParam());
  testing::RandomText random(12, {"<|endoftext|>", "[MASK]", "<mask>", "</s>"});
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) texts.push_back(random.next(60));
  const int before = num_threads();
  for (const std::int64_t max_length : {2, 3, 7, 64}) {
    for (const int threads : {1, 4}) {
      set_num_threads(threads);
      const auto batch = tokenizer->encode_batch(texts, {.max_length = max_length, .add_special_tokens = false});
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const EncodeOptions shorter{.max_length = max_length, .add_special_tokens = false};
        Ids whole = tokenizer->encode(texts[i], {.add_special_tokens = false}).ids;
        ASSERT_EQ(tokenizer->encode(texts[i], shorter).cut, std::cmp_greater(whole.size(), max_length));
        whole.resize(std::min(whole.size(), static_cast<std::size_t>(max_length)));
        ASSERT_EQ(batch[i], whole) << Json(texts[i]).dump();
      }
    }
  }
  set_num_threads(before);
}

TEST_P(RealTokenizers, SpellingsAndFiles) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto tokenizer = load_tokenizer(data / "tokenizers" / GetParam());
  for (std::int32_t id = 0; id < tokenizer->vocab_size(); id += 7) EXPECT_EQ(tokenizer->id(tokenizer->token(id)), id);
  EXPECT_EQ(tokenizer->id("no such token"), -1);
  EXPECT_THROW(tokenizer->token(tokenizer->vocab_size()), Error);
  EXPECT_THROW(tokenizer->decode(Ids{-1}), Error);
  for (const TokenizerFile& file : tokenizer->files()) EXPECT_EQ(file.text, read_file(file.path));
  EXPECT_EQ(tokenizer->files().size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Folders, RealTokenizers, ::testing::Values("gpt2", "roberta", "modernbert"));

TEST(RealTokenizer, SizesAndPadding) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto expect = [&](const char* name, std::int32_t size, std::int32_t pad) {
    const auto tokenizer = load_tokenizer(data / "tokenizers" / name);
    EXPECT_EQ(tokenizer->vocab_size(), size) << name;
    EXPECT_EQ(tokenizer->pad_id(), pad) << name;
  };
  expect("gpt2", 50257, 50256);
  expect("roberta", 50265, 1);
  expect("modernbert", 50368, 50283);
}

TEST(RealTokenizer, DecodeKeepsOrSkipsSpecialTokensAndMarksBrokenCharacters) {
  ATTUNE_DATA_OR_SKIP(data);
  const auto roberta = load_tokenizer(data / "tokenizers" / "roberta");
  const Ids ids = roberta->encode("Hello <mask>").ids;
  EXPECT_EQ(roberta->decode(ids), "<s>Hello<mask></s>");
  EXPECT_EQ(roberta->decode(ids, /*skip_special=*/true), "Hello");
  const auto gpt2 = load_tokenizer(data / "tokenizers" / "gpt2");
  Ids emoji = gpt2->encode("😀").ids;
  ASSERT_GT(emoji.size(), 1u);
  emoji.pop_back();
  EXPECT_EQ(gpt2->decode(emoji), "\uFFFD");
  EXPECT_EQ(gpt2->decode(Ids{gpt2->id("ÿ"), gpt2->id("A")}), "\uFFFDA");
}

}  // namespace
}  // namespace attune
