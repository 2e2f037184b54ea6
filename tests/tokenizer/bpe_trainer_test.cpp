// Byte-level BPE vocabularies: what is learned, in which order, and that the files make the tokenizer that was trained.
// (The merge learner itself is held equal to a plain one in wordpiece_trainer_test.cpp.)
#include "tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/check.h"
#include "tests/support/data.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Merges = std::vector<std::pair<std::string, std::string>>;
using Ids = std::vector<std::int32_t>;

TrainedBpe trained(const std::vector<std::string>& texts, const BpeTrainerOptions& options) {
  BpeTrainer trainer(options);
  for (const std::string& text : texts) trainer.add(text);
  return trainer.train();
}

TEST(BpeTrainer, SpecialsBytesThenMergesByFrequency) {
  const TrainedBpe out = trained({"ab ab abc", "abc"}, {.vocab_size = 300, .min_frequency = 2});
  ASSERT_GE(out.tokens.size(), 257u);
  EXPECT_EQ(out.tokens[0], "<|endoftext|>");
  EXPECT_EQ(out.tokens[1], "!");         // U+0021, the first code point of the alphabet
  EXPECT_EQ(out.tokens[256], "\u0143");  // the last
  // "ab" stands 4 times; then "Ġ" + "ab" and "ab" + "c" stand twice each, and the first of them takes the other's "ab".
  EXPECT_EQ(out.merges, (Merges{{"a", "b"}, {"Ġ", "ab"}}));
}

TEST(BpeTrainer, OfEquallyFrequentPairsTheSmallerIdsGoFirst) {
  const TrainedBpe out = trained({"cd", "ab", "zz"}, {.vocab_size = 300, .min_frequency = 1});
  EXPECT_EQ(out.merges, (Merges{{"a", "b"}, {"c", "d"}, {"z", "z"}}));
}

TEST(BpeTrainer, StopsAtTheVocabularySizeAndAtRarePairs) {
  EXPECT_EQ(trained({"cd", "ab", "zz"}, {.vocab_size = 259, .min_frequency = 1}).tokens.size(), 259u);
  EXPECT_EQ(trained({"cd", "ab", "zz"}, {.vocab_size = 259, .min_frequency = 2}).tokens.size(), 257u);
}

TEST(BpeTrainer, DependsOnTheTextsAlone) {
  testing::RandomText random(5);
  std::vector<std::string> texts(500);
  for (std::string& text : texts) text = random.next(30);
  const BpeTrainerOptions options{.vocab_size = 1000};
  const TrainedBpe forward = trained(texts, options);
  std::reverse(texts.begin(), texts.end());
  const TrainedBpe backward = trained(texts, options);
  EXPECT_EQ(forward.tokens, backward.tokens);
  EXPECT_EQ(forward.merges, backward.merges);
  EXPECT_EQ(forward.tokens.size(), 1000u);
}

class TrainedFolders : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(TrainedFolders, LoadToOneTokenizerFromEitherFiles) {
  testing::RandomText random(6);
  std::vector<std::string> texts(400);
  for (std::string& text : texts) text = random.next(30);
  for (const bool prefix_space : {false, true}) {
    const BpeTrainerOptions options{.vocab_size = 800, .special_tokens = GetParam(), .add_prefix_space = prefix_space};
    const TrainedBpe bpe = trained(texts, options);
    testing::TempDir with_json, without_json;
    for (const auto& [name, content] : bpe_files(bpe, options)) {
      std::ofstream(with_json / name, std::ios::binary) << content;
      if (name != "tokenizer.json") std::ofstream(without_json / name, std::ios::binary) << content;
    }
    const auto a = load_tokenizer(with_json.path()), b = load_tokenizer(without_json.path());
    ASSERT_EQ(a->vocab_size(), 800);
    for (std::int32_t id = 0; id < 800; ++id) {
      EXPECT_EQ(a->token(id), bpe.tokens[static_cast<std::size_t>(id)]);
      EXPECT_EQ(b->token(id), a->token(id));
    }
    testing::RandomText others(7, GetParam());
    for (int i = 0; i < 500; ++i) {
      const std::string text = others.next();
      EXPECT_EQ(a->encode(text).ids, b->encode(text).ids) << text;
      if (!prefix_space) {
        EXPECT_EQ(a->decode(a->encode(text, {.add_special_tokens = false, .parse_special = false}).ids), text);
      }
    }
    EXPECT_EQ(a->pad_id(), b->pad_id());
    EXPECT_GE(a->pad_id(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Specials, TrainedFolders,
                         ::testing::Values(std::vector<std::string>{"<|endoftext|>"},
                                           std::vector<std::string>{"<s>", "<pad>", "</s>", "<unk>", "<mask>"}));

TEST(BpeTrainer, RobertaSpecialsAreTheTemplate) {
  const BpeTrainerOptions options{.vocab_size = 263, .special_tokens = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}};
  testing::TempDir folder;
  for (const auto& [name, content] : bpe_files(trained({"a"}, options), options))
    std::ofstream(folder / name, std::ios::binary) << content;
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("a  <mask>").ids, (Ids{0, tokenizer->id("a"), 4, 2}));
}

TEST(BpeTrainer, RefusesWhatCannotWork) {
  const auto error_of = [](const std::vector<std::string>& texts, const BpeTrainerOptions& options) -> std::string {
    try {
      trained(texts, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of({"a"}, {.vocab_size = 256}),
            "BPE training: a vocabulary of 256 tokens has no room for 256 bytes and 1 special tokens");
  EXPECT_EQ(error_of({""}, {}), "BPE training: the texts are empty");
  EXPECT_EQ(error_of({"a"}, {.special_tokens = {"x", "<s>"}}),
            "BPE training: special token \"x\" is given twice or stands for a byte");
  EXPECT_EQ(error_of({"a"}, {.special_tokens = {"<s>", "<s>"}}),
            "BPE training: special token \"<s>\" is given twice or stands for a byte");
  EXPECT_EQ(error_of({"a"}, {.special_tokens = {""}}), "BPE training: a special token is empty");
  EXPECT_EQ(error_of({"a\xFF"}, {}), "text: not valid UTF-8 at byte offset 1");
}

}  // namespace
}  // namespace attune
