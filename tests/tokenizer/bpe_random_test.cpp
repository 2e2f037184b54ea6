// The fast splitter, merge loop, piece table and added-token search against the plain ones, on random Unicode strings.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/data.h"
#include "tests/tokenizer/plain.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/split.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Json = nlohmann::json;
using testing::PlainBpe;
using testing::RandomText;

constexpr int kStrings = 100'000;

Json added_token(const std::string& content, int id, bool special, bool normalized, bool lstrip = false) {
  return {{"id", id},        {"content", content},       {"single_word", false}, {"lstrip", lstrip},
          {"rstrip", false}, {"normalized", normalized}, {"special", special}};
}

// A tokenizer whose merges join random tokens of a small alphabet, so that merges of all lengths overlap and compete.
Json random_tokenizer(std::uint32_t seed, bool nfc) {
  RandomText random(seed);
  std::vector<std::string> tokens, busy;
  Json vocab = Json::object(), merges = Json::array();
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    tokens.push_back(to_byte_level({&c, 1}));
    vocab[tokens.back()] = byte;
  }
  for (const char* bytes : {"a", "b", "t", "e", " ", " ", "!", "0", "'", "\xE3", "\x81", "\xCC", "\n"})
    busy.push_back(to_byte_level(bytes));
  while (merges.size() < 600) {
    const auto pick = [&] { return busy[random.below(static_cast<std::uint32_t>(busy.size()))]; };
    const std::string left = pick(), right = pick();
    if (vocab.contains(left + right)) continue;
    vocab[left + right] = vocab.size();
    merges.push_back({left, right});
    busy.push_back(left + right);
  }
  const int next = static_cast<int>(vocab.size());
  Json added =
      Json::array({added_token("<|end|>", next, true, false), added_token("[MASK]", next + 1, true, false, true),
                   added_token("  ", next + 2, false, true), added_token("     ", next + 3, false, true),
                   added_token("[MA", next + 4, false, true), added_token("<|", next + 5, false, false),
                   added_token("éé", next + 6, true, true)});
  return {{"version", "1.0"},
          {"added_tokens", added},
          {"normalizer", nfc ? Json{{"type", "NFC"}} : Json(nullptr)},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"post_processor", nullptr},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

std::vector<std::string> fast_split(std::string_view text) {
  std::vector<std::string> out;
  for (Splitter splitter(text); !splitter.done();) out.emplace_back(splitter.next());
  return out;
}

void expect_equal(const std::string& folder, std::vector<std::string> specials, int strings, std::uint32_t seed) {
  const auto fast = load_tokenizer(folder);
  const PlainBpe plain(folder + "/tokenizer.json");
  RandomText random(seed, std::move(specials));
  for (int i = 0; i < strings; ++i) {
    const std::string text = random.next();
    const bool parse_special = random.below(4) != 0;
    ASSERT_EQ(fast->encode(text, {.add_special_tokens = false, .parse_special = parse_special}).ids,
              plain.encode(text, parse_special))
        << "string " << i << ": " << Json(text).dump() << (parse_special ? "" : " (special tokens as text)");
  }
}

TEST(Splitter, EqualsThePatternOnRandomStrings) {
  const testing::PlainSplitter plain;
  RandomText random(1);
  for (int i = 0; i < kStrings; ++i) {
    const std::string text = random.next();
    ASSERT_EQ(fast_split(text), plain.split(text)) << "string " << i << ": " << Json(text).dump();
  }
}

TEST(Splitter, EqualsThePatternOnEveryShortStringOfItsSpecialCharacters) {
  const testing::PlainSplitter plain;
  const std::vector<std::string> alphabet = {"'", "s", "l", "r", "e", "v", "S", " ", "\n", "\u3000", "1", "!", "é"};
  std::vector<std::string> texts{""};
  for (std::size_t begin = 0, length = 0; length < 4; ++length) {
    const std::size_t end = texts.size();
    for (; begin < end; ++begin)
      for (const std::string& c : alphabet) texts.push_back(texts[begin] + c);
  }
  for (const std::string& text : texts) ASSERT_EQ(fast_split(text), plain.split(text)) << Json(text).dump();
}

TEST(Bpe, EqualsThePlainOneOnRandomStringsAndMerges) {
  for (const bool nfc : {false, true}) {
    for (std::uint32_t seed = 0; seed < 5; ++seed) {
      testing::TempDir folder;
      std::ofstream(folder / "tokenizer.json") << random_tokenizer(seed, nfc);
      expect_equal(folder.path(), {"<|end|>", "[MASK]", " [MASK]", "  [MASK]", "[MA", "e\u0301e\u0301", "éé"},
                   kStrings / 10, seed);
    }
  }
}

TEST(Bpe, LongPiecesMergeLikeShortOnes) {
  testing::TempDir folder;
  std::ofstream(folder / "tokenizer.json") << random_tokenizer(7, false);
  const auto fast = load_tokenizer(folder.path());
  const PlainBpe plain(folder / "tokenizer.json");
  RandomText random(7);
  for (int i = 0; i < 200; ++i) {
    std::string piece;
    for (std::uint32_t n = random.below(400); n > 0; --n) piece += "abte"[random.below(4)];
    ASSERT_EQ(fast->encode(piece).ids, piece.empty() ? std::vector<std::int32_t>{} : plain.merge(piece)) << piece;
  }
}

TEST(Bpe, EqualsThePlainOneOnTheRealVocabularies) {
  ATTUNE_DATA_OR_SKIP(data);
  for (const char* name : {"gpt2", "roberta", "modernbert"}) {
    SCOPED_TRACE(name);
    expect_equal(data / "tokenizers" / name,
                 {"<|endoftext|>", "<s>", "<mask>", " <mask>", "[MASK]", "|||EMAIL_ADDRESS|||", "[unused7]", "[CLS]",
                  "<|padding|>"},
                 kStrings / 5, 3);
  }
}

}  // namespace
}  // namespace attune
