// Merges against a plain learner that recounts everything each time; then whole vocabularies, written and loaded again.
#include "tokenizer/wordpiece_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "tests/support/data.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/merge_learner.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Merge = std::pair<std::int32_t, std::int32_t>;

std::vector<Merge> plain_merges(std::vector<CountedWord> words, std::int64_t min_count, std::size_t most,
                                std::int32_t next) {
  std::vector<Merge> out;
  while (out.size() < most) {
    std::map<Merge, std::int64_t> counts;
    for (const CountedWord& word : words) {
      for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i)
        counts[{word.symbols[i], word.symbols[i + 1]}] += word.count;
    }
    // The map goes through pairs in order, so the first of the greatest count is the one.
    const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto best = std::max_element(counts.begin(), counts.end(), less);
    if (best == counts.end() || best->second < std::max<std::int64_t>(min_count, 1)) break;
    out.push_back(best->first);
    for (CountedWord& word : words) {
      std::vector<std::int32_t> merged;
      for (std::size_t i = 0; i < word.symbols.size(); ++i) {
        const bool here = i + 1 < word.symbols.size() && Merge{word.symbols[i], word.symbols[i + 1]} == best->first;
        merged.push_back(here ? next : word.symbols[i]);
        i += here;
      }
      word.symbols = merged;
    }
    ++next;
  }
  return out;
}

TEST(MergeLearner, EqualsThePlainOne) {
  testing::RandomText random(7);
  for (int round = 0; round < 300; ++round) {
    const std::uint32_t letters = 1 + random.below(5);
    std::vector<CountedWord> words(1 + random.below(30));
    for (CountedWord& word : words) {
      word.count = 1 + random.below(4);
      word.symbols.resize(random.below(12));
      for (std::int32_t& symbol : word.symbols) symbol = static_cast<std::int32_t>(random.below(letters));
    }
    const std::int64_t min_count = random.below(4);
    const std::size_t most = random.below(60);
    std::vector<Merge> fast;
    std::int32_t next = 5;
    learn_merges(words, min_count, [&](std::int32_t left, std::int32_t right) -> std::optional<std::int32_t> {
      if (fast.size() == most) return std::nullopt;
      fast.emplace_back(left, right);
      return next++;
    });
    ASSERT_EQ(fast, plain_merges(words, min_count, most, 5)) << "round " << round;
  }
}

std::vector<std::string> trained(const std::vector<std::string>& texts, const WordPieceTrainerOptions& options) {
  WordPieceTrainer trainer(options);
  for (const std::string& text : texts) trainer.add(text);
  return trainer.train();
}

TEST(WordPieceTrainer, SpecialsCharactersThenPieces) {
  const auto tokens = trained({"ab ab AB abc", "ab, \u00e1c"}, {.vocab_size = 100});
  // ab 4 + abc 1 -> "ab"; ("ab", "##c") occurs once only.
  EXPECT_EQ(tokens, (std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "a", "b", "c", "##b",
                                              "##c", "ab"}));
  // Of pairs that occur equally often, that with the character goes before that with the piece.
  const auto more = trained({"ab ab AB abc", "ab, \u00e1c"}, {.vocab_size = 14, .min_frequency = 1});
  EXPECT_EQ(std::vector<std::string>(more.end() - 3, more.end()), (std::vector<std::string>{"ab", "ac", "abc"}));
}

TEST(WordPieceTrainer, DependsOnTheTextsAlone) {
  testing::RandomText random(3);
  std::vector<std::string> texts(400);
  for (std::string& text : texts) text = random.next(40);
  const WordPieceTrainerOptions options{.vocab_size = 900, .limit_alphabet = 300};
  const auto tokens = trained(texts, options);
  std::reverse(texts.begin(), texts.end());
  EXPECT_EQ(trained(texts, options), tokens);
  EXPECT_EQ(std::set<std::string>(tokens.begin(), tokens.end()).size(), tokens.size());
  EXPECT_LE(tokens.size(), 900u);
  EXPECT_GT(tokens.size(), 400u);
}

TEST(WordPieceTrainer, TheFilesLoadToOneTokenizer) {
  for (const bool lowercase : {true, false}) {
    testing::RandomText random(4);
    std::vector<std::string> texts(200);
    for (std::string& text : texts) text = random.next(30);
    WordPieceTrainerOptions options{.vocab_size = 2000, .min_frequency = 1, .limit_alphabet = 100000};
    options.normalizer.lowercase = options.normalizer.strip_accents = lowercase;
    const auto tokens = trained(texts, options);
    testing::TempDir with_json, without_json;
    for (const auto& [name, content] : wordpiece_files(tokens, options)) {
      std::ofstream(with_json / name, std::ios::binary) << content;
      if (name != "tokenizer.json") std::ofstream(without_json / name, std::ios::binary) << content;
    }
    const auto a = load_tokenizer(with_json.path()), b = load_tokenizer(without_json.path());
    ASSERT_EQ(a->vocab_size(), static_cast<std::int32_t>(tokens.size()));
    for (std::int32_t id = 0; id < a->vocab_size(); ++id) {
      EXPECT_EQ(a->token(id), tokens[static_cast<std::size_t>(id)]);
      EXPECT_EQ(b->token(id), a->token(id));
    }
    for (const std::string& text : texts) {
      const auto ids = a->encode(text).ids;
      EXPECT_EQ(b->encode(text).ids, ids);
      // Every character was seen in every place it stands at, so nothing is unknown.
      EXPECT_EQ(std::count(ids.begin(), ids.end(), a->id("[UNK]")), 0) << text;
    }
    EXPECT_EQ(a->encode_pair("[MASK]", "").type_ids, (std::vector<std::int32_t>{0, 0, 0, 1}));
  }
}

TEST(WordPieceTrainer, RareCharactersAreLeftOut) {
  const auto tokens = trained({"aab aab aab xaab"}, {.vocab_size = 100, .limit_alphabet = 2});
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), "x"), 0);
  EXPECT_EQ(tokens.back(), "aab");
}

TEST(WordPieceTrainer, RefusesWhatCannotWork) {
  const auto error_of = [](const std::vector<std::string>& texts,
                           const WordPieceTrainerOptions& options) -> std::string {
    try {
      trained(texts, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(
      error_of({"abc"}, {.vocab_size = 9}),
      "WordPiece training: a vocabulary of 9 tokens has no room for 5 special tokens and the characters of the texts, "
      "10 in all");
  EXPECT_EQ(error_of({" \n"}, {}), "WordPiece training: the texts hold no word");
  EXPECT_EQ(error_of({"a"}, {.special_tokens = {"[UNK]", "[CLS]"}}),
            "WordPiece training: the special tokens lack \"[SEP]\"");
  EXPECT_EQ(error_of({"a"}, {.special_tokens = {"[UNK]", "[CLS]", "[SEP]", "[CLS]"}}),
            "WordPiece training: special token \"[CLS]\" is given twice");
  EXPECT_EQ(error_of({"a"}, {.limit_alphabet = 0}), "WordPiece training: limit_alphabet is 0, expected at least 1");
  EXPECT_EQ(error_of({"a\xFF"}, {}), "text: not valid UTF-8 at byte offset 1");
}

}  // namespace
}  // namespace attune
