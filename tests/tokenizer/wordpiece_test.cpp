// WordPiece on small vocabularies: rules, the fast form against the plain one, decoding, and what malformed files are
// told.
#include "tokenizer/wordpiece.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/data.h"
#include "tests/tokenizer/plain_wordpiece.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/tokenizer.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;

Vocabulary vocabulary_of(const std::vector<std::string>& tokens) {
  Vocabulary vocabulary("test vocabulary");
  for (std::size_t i = 0; i < tokens.size(); ++i) vocabulary.add(tokens[i], static_cast<std::int64_t>(i));
  return vocabulary;
}

Ids encode(const WordPiece& model, std::string_view text) {
  std::string normal;
  const bool changed = model.normalize(text, normal);
  Ids ids;
  model.encode(changed ? std::string_view(normal) : text, SIZE_MAX, ids);
  return ids;
}

// All 16 settings of the normaliser, and none at all.
std::vector<std::optional<BertNormalizerOptions>> all_normalizers() {
  std::vector<std::optional<BertNormalizerOptions>> out{std::nullopt};
  for (int bits = 0; bits < 16; ++bits)
    out.push_back(BertNormalizerOptions{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0});
  return out;
}

void write_file(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string error_of(const std::string& folder) {
  try {
    load_tokenizer(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Everything a BertTokenizer needs, and a few words.
const std::string kVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\naffable\n,\n.\nA\nthe\n";

TEST(WordPiece, LongestMatchFromTheLeft) {
  const Vocabulary vocabulary = vocabulary_of({"[UNK]", "a", "ab", "abc", "##c", "##cd", "##d", "abcde", "#", "##"});
  const WordPiece model(vocabulary, {.unknown_id = 0});
  EXPECT_EQ(encode(model, "abcd"), (Ids{3, 6}));
  EXPECT_EQ(encode(model, "abcde"), (Ids{7}));
  EXPECT_EQ(encode(model, "abcdd"), (Ids{3, 6, 6}));
  EXPECT_EQ(encode(model, "abe a"), (Ids{0, 1}));  // nothing fits "e": the whole word is unknown
  EXPECT_EQ(encode(model, "dab"), (Ids{0}));       // "##d" does not begin a word
  EXPECT_EQ(encode(model, " \t"), Ids{});
}

// A row of the reference's tests.
TEST(WordPiece, ChineseCharactersAreWords) {
  const Vocabulary vocabulary = vocabulary_of({"[UNK]", "ah", "\u535a", "\u63a8", "zz"});
  const WordPiece model(vocabulary, {.normalizer = BertNormalizerOptions{}, .unknown_id = 0});
  EXPECT_EQ(encode(model, "ah\u535a\u63a8zz"), (Ids{1, 2, 3, 4}));
}

TEST(WordPiece, WordsBeyondTheLimitAreUnknown) {
  const Vocabulary vocabulary = vocabulary_of({"[UNK]", "a", "##a", "\u4e2d", "\u03b1", "##\u03b1"});
  const WordPiece model(vocabulary, {.normalizer = BertNormalizerOptions{}, .unknown_id = 0});
  EXPECT_EQ(encode(model, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(encode(model, std::string(101, 'a')), Ids{0});
  std::string greek;
  for (int i = 0; i < 100; ++i) greek += "\u03b1";
  EXPECT_EQ(encode(model, greek).size(), 100u);  // code points count, not bytes
  EXPECT_EQ(encode(model, greek + "\u03b1"), Ids{0});
  EXPECT_EQ(encode(model, greek + "\u03b1\u4e2d"), (Ids{0, 3}));
  const WordPiece shorter(vocabulary, {.max_chars = 3, .unknown_id = 0});
  EXPECT_EQ(encode(shorter, "aaaa aaa"), (Ids{0, 1, 2, 2}));
}

TEST(WordPiece, StopsAtTheLimitWithTheSameIds) {
  const Vocabulary vocabulary = vocabulary_of({"[UNK]", "a", "##b", "c", ","});
  const WordPiece model(vocabulary, {.unknown_id = 0});
  const std::string text = "ab,c abb x,,c ab";
  const Ids whole = encode(model, text);
  for (std::size_t limit = 0; limit <= whole.size() + 1; ++limit) {
    Ids ids;
    model.encode(text, limit, ids);
    ASSERT_GE(ids.size(), std::min(limit, whole.size()));
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), whole.begin())) << limit;
  }
}

// 17 settings x 8,000 texts, over a vocabulary that holds pieces of such texts.
TEST(WordPiece, FastIsPlainOnRandomTexts) {
  testing::RandomText random(1);
  Vocabulary vocabulary = vocabulary_of({"[UNK]"});
  while (vocabulary.size() < 5000) {
    const std::size_t length = 1 + random.below(3);
    std::string token = random.below(2) == 0 ? "##" : "";
    for (std::size_t i = 0; i < length; ++i) {
      const char32_t c = i == 0 || random.below(2) == 0 ? random.code_point() : U'a' + random.below(26);
      token += utf8::to_utf8(std::u32string(1, c));
    }
    if (vocabulary.id(token) < 0) vocabulary.add(token, vocabulary.size());
  }
  for (const auto& normalizer : all_normalizers()) {
    const WordPieceOptions options{.normalizer = normalizer, .max_chars = 12, .unknown_id = 0};
    const WordPiece model(vocabulary, options);
    for (int i = 0; i < 8000; ++i) {
      const std::u32string drawn = random.code_points(60);
      const std::string text = utf8::to_utf8(drawn);
      if (normalizer) {
        std::string fast;
        model.normalize(text, fast);
        ASSERT_EQ(fast, utf8::to_utf8(bert_normalize(drawn, *normalizer))) << text;
      }
      ASSERT_EQ(encode(model, text), testing::plain_wordpiece(text, vocabulary, options)) << text;
    }
  }
}

// Few letters, so that pieces overlap in every way.
TEST(WordPiece, FastIsPlainOnRandomVocabularies) {
  testing::RandomText random(2);
  for (int round = 0; round < 200; ++round) {
    Vocabulary vocabulary = vocabulary_of({"[UNK]"});
    const std::uint32_t letters = 2 + random.below(3);
    const auto word = [&](std::uint32_t longest) {
      std::string out(1 + random.below(longest), 'a');
      for (char& c : out) c = static_cast<char>('a' + random.below(letters));
      return out;
    };
    for (std::uint32_t i = 5 + random.below(60); i > 0; --i) {
      const std::string token = (random.below(2) == 0 ? "##" : "") + word(5);
      if (vocabulary.id(token) < 0) vocabulary.add(token, vocabulary.size());
    }
    const WordPieceOptions options{.unknown_id = 0};
    const WordPiece model(vocabulary, options);
    for (int i = 0; i < 100; ++i) {
      const std::string text = word(12) + " " + word(12);
      ASSERT_EQ(encode(model, text), testing::plain_wordpiece(text, vocabulary, options)) << text;
    }
  }
}

TEST(WordPieceFiles, LoadsVocabTxtWithItsSettings) {
  const testing::TempDir folder;
  write_file(folder / "vocab.txt", kVocab);
  const auto uncased = load_tokenizer(folder.path());
  EXPECT_EQ(uncased->encode("Unaffable, the [MASK]").ids, (Ids{2, 5, 6, 7, 9, 12, 4, 3}));
  EXPECT_EQ(uncased->encode("A").ids, (Ids{2, 1, 3}));
  EXPECT_EQ(uncased->pad_id(), 0);
  EXPECT_EQ(uncased->vocab_size(), 13);
  EXPECT_EQ(uncased->encode_pair("the", "un").type_ids, (Ids{0, 0, 0, 1, 1}));
  ASSERT_EQ(uncased->files().size(), 1u);
  EXPECT_EQ(uncased->files()[0].path, folder / "vocab.txt");
  write_file(folder / "vocab.txt", kVocab.substr(0, kVocab.size() / 2));
  EXPECT_EQ(uncased->files()[0].text, kVocab) << "a file that has changed since is saved as it was read";
  write_file(folder / "vocab.txt", kVocab);

  write_file(folder / "tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(load_tokenizer(folder.path())->encode("A the THE \u00e1").ids, (Ids{2, 11, 12, 1, 1, 3}));
  write_file(folder / "tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": true})");
  EXPECT_EQ(load_tokenizer(folder.path())->encode("\u00c1 th\u00e9").ids, (Ids{2, 11, 12, 3}));
  write_file(folder / "tokenizer_config.json", R"({"strip_accents": false})");
  EXPECT_EQ(load_tokenizer(folder.path())->encode("th\u00e9 THE").ids, (Ids{2, 1, 12, 3}));
  write_file(folder / "tokenizer_config.json", R"({"unk_token": "the", "mask_token": {"content": "un"}})");
  EXPECT_EQ(load_tokenizer(folder.path())->encode("x un").ids, (Ids{2, 12, 5, 3}));
}

TEST(WordPieceFiles, ChineseCharactersStandAloneUnlessToldOtherwise) {
  const testing::TempDir folder;
  write_file(folder / "vocab.txt", "[UNK]\n[CLS]\n[SEP]\n\u4e2d\n##\u56fd\n\u56fd\n");
  EXPECT_EQ(load_tokenizer(folder.path())->encode("\u4e2d\u56fd").ids, (Ids{1, 3, 5, 2}));
  write_file(folder / "tokenizer_config.json", R"({"tokenize_chinese_chars": false})");
  EXPECT_EQ(load_tokenizer(folder.path())->encode("\u4e2d\u56fd").ids, (Ids{1, 3, 4, 2}));
}

TEST(WordPieceFiles, LineEndsAndTrailingSpaceAreNoPartOfAToken) {
  const testing::TempDir folder;
  write_file(folder / "vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]  \r\nthe\u3000\r\n\u00a0\nlast");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("the last").ids, (Ids{1, 3, 5, 2}));
  EXPECT_EQ(tokenizer->token(4), "\u00a0");
}

TEST(WordPieceFiles, DecodeJoinsPieces) {
  const testing::TempDir folder;
  write_file(folder / "vocab.txt", kVocab);
  const auto tokenizer = load_tokenizer(folder.path());
  const Ids ids = tokenizer->encode("unaffable, the affable.").ids;
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special=*/true), "unaffable, the affable.");
  EXPECT_EQ(tokenizer->decode(ids), "[CLS] unaffable, the affable. [SEP]");
  EXPECT_EQ(tokenizer->decode(Ids{6, 5}), "##aff un");  // the first piece keeps its prefix
  EXPECT_THROW(tokenizer->decode(Ids{13}), Error);
}

TEST(WordPieceFiles, MalformedVocabTxtIsNamedByLine) {
  const testing::TempDir folder;
  const std::string path = folder / "vocab.txt";
  const auto expect = [&](std::string_view content, const std::string& message) {
    write_file(path, content);
    EXPECT_EQ(error_of(folder.path()), path + message);
  };
  expect("", ": the vocabulary is empty");
  expect("[UNK]\n[CLS]\n[SEP]\nthe\n[CLS]\n", ":5: token \"[CLS]\" stands in line 2 already");
  expect("[UNK]\n\n[CLS]\n", ":2: the line is empty, expected a token (the id is the line's number from 0)");
  expect("[UNK]\n[CLS]\n[SEP]\ncaf\xC3\n", ":4: not valid UTF-8 at byte offset 3");
  expect("[CLS]\n[SEP]\n", ": unk_token \"[UNK]\" is not in the vocabulary");
  expect("[UNK]\n[SEP]\n", ": cls_token \"[CLS]\" is not in the vocabulary");
  expect("[UNK]\n[CLS]\n", ": sep_token \"[SEP]\" is not in the vocabulary");
}

const std::string kJsonHead = R"({"version": "1.0", "added_tokens": [], )";
const std::string kJsonNormalizer =
    R"("normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": false}, )";
const std::string kJsonSplit = R"("pre_tokenizer": {"type": "BertPreTokenizer"}, )";

TEST(WordPieceFiles, LoadsTokenizerJson) {
  const testing::TempDir folder;
  write_file(folder / "tokenizer.json", kJsonHead + kJsonNormalizer + kJsonSplit +
                                            R"("decoder": {"type": "WordPiece", "prefix": "@", "cleanup": false},
                    "model": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "@",
                              "max_input_chars_per_word": 4, "vocab": {"?": 0, "a": 1, "@b": 2, "\u00e9": 3}}})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("abb abbbb A \u00e9").ids, (Ids{1, 2, 2, 0, 0, 3}));  // no template
  EXPECT_EQ(tokenizer->decode(Ids{1, 2, 0}), "ab ?");
}

TEST(WordPieceFiles, MalformedTokenizerJsonIsNamedByKey) {
  const testing::TempDir folder;
  const std::string path = folder / "tokenizer.json";
  const auto expect = [&](const std::string& content, const std::string& message) {
    write_file(path, content);
    EXPECT_EQ(error_of(folder.path()), path + message);
  };
  const std::string head = kJsonHead + kJsonNormalizer + kJsonSplit;
  expect(head + R"("model": {"type": "WordPiece", "vocab": {"a": 0}}})",
         ": model: unk_token \"[UNK]\" is not in the vocabulary");
  expect(head + R"("model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 2}}})",
         ": id 1 has no token, while ids go up to 2");
  expect(head + R"("model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 0}}})",
         ": id 0 is given to both \"[UNK]\" and \"a\"");
  expect(head + R"("model": {"type": "WordPiece", "max_input_chars_per_word": 0, "vocab": {"[UNK]": 0}}})",
         ": model.max_input_chars_per_word: must be an integer of at least 1, found 0");
  expect(head + R"("decoder": {"type": "BPEDecoder"}, "model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}})",
         ": decoder.type: unsupported decoder BPEDecoder for WordPiece, expected WordPiece");
  expect(kJsonHead + R"("normalizer": {"type": "NFKC"}, )" + kJsonSplit +
             R"("model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}})",
         ": normalizer.type: unsupported normalizer NFKC for WordPiece, expected BertNormalizer");
  expect(
      kJsonHead + R"("pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}})",
      ": pre_tokenizer.type: unsupported pre_tokenizer Whitespace for WordPiece, expected BertPreTokenizer");
}

}  // namespace
}  // namespace attune
