// Added tokens against the behaviour of added_vocabulary.rs of huggingface/tokenizers: longest of the leftmost,
// stripping, single words, two stages.
#include "tokenizer/added_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "base/check.h"

namespace attune {
namespace {

// "1:[MASK] -:text": what a search makes of a text.
std::string split(const AddedTokenSearch& search, std::string_view text, bool parse_special = true) {
  std::vector<TextPart> parts;
  search.split(text, parse_special, parts);
  std::string out;
  for (const TextPart& part : parts)
    out += str_cat(out.empty() ? "" : "|", part.id < 0 ? "-" : std::to_string(part.id), ":", part.text);
  return out;
}

AddedToken token(std::string content, std::int32_t id) {
  return {.content = std::move(content), .id = id};
}

TEST(AddedTokens, NoneAndEmpty) {
  EXPECT_EQ(split(AddedTokenSearch(), "abc"), "-:abc");
  EXPECT_EQ(split(AddedTokenSearch(), ""), "");
  EXPECT_EQ(split(AddedTokenSearch({token("", 1)}), "abc"), "-:abc");
}

TEST(AddedTokens, TheLeftmostWinsThenTheLongest) {
  const AddedTokenSearch search({token("ab", 1), token("abcd", 2), token("bcdefgh", 3), token("x", 4)});
  EXPECT_EQ(split(search, "abcdefgh"), "2:abcd|-:efgh");
  EXPECT_EQ(split(search, "abcx"), "1:ab|-:c|4:x");
  EXPECT_EQ(split(search, "zbcdefgh"), "-:z|3:bcdefgh");
  EXPECT_EQ(split(search, "abab"), "1:ab|1:ab");
  EXPECT_EQ(split(search, "a"), "-:a");
  EXPECT_EQ(split(search, "x"), "4:x");
}

TEST(AddedTokens, StripsWhiteSpaceOfAllKinds) {
  AddedToken left = token("<l>", 1), right = token("<r>", 2);
  left.lstrip = true;
  right.rstrip = true;
  const AddedTokenSearch search({left, right});
  EXPECT_EQ(split(search, "a \u3000\n<l> b"), "-:a|1: \u3000\n<l>|-: b");
  EXPECT_EQ(split(search, "a <r>\u00A0 \tb"), "-:a |2:<r>\u00A0 \t|-:b");
  EXPECT_EQ(split(search, "  <l>"), "1:  <l>");
  EXPECT_EQ(split(search, "<r>  "), "2:<r>  ");
  // The white space between them is taken by the one on the left; the other does not reach into it.
  EXPECT_EQ(split(search, "<r>  <l>"), "2:<r>  |1:<l>");
  EXPECT_EQ(split(search, "<l>  <l>"), "1:<l>|1:  <l>");
}

TEST(AddedTokens, AMatchInsideStrippedSpaceCountsUnlessNothingIsLeftOfIt) {
  AddedToken right = token("<r>", 1), spaces = token("  ", 2);
  right.rstrip = true;
  // The reference emits both, and goes on behind the token of two spaces.
  std::vector<TextPart> parts;
  AddedTokenSearch({right, spaces}).split("<r>   b", true, parts);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].id, 1);
  EXPECT_EQ(parts[1].id, 2);
  EXPECT_EQ(parts[2].text, " b");
  spaces.lstrip = spaces.rstrip = true;
  EXPECT_EQ(split(AddedTokenSearch({right, spaces}), "<r>   b"), "1:<r>   |-:b");
  EXPECT_EQ(split(AddedTokenSearch({spaces}), "a       b"), "-:a|2:       |-:b");
}

TEST(AddedTokens, SingleWordsStandAlone) {
  AddedToken word = token("new", 1);
  word.single_word = true;
  const AddedTokenSearch search({word});
  EXPECT_EQ(split(search, "a new day"), "-:a |1:new|-: day");
  EXPECT_EQ(split(search, "new"), "1:new");
  EXPECT_EQ(split(search, "anew news new_ ünew new2"), "-:anew news new_ ünew new2");
  EXPECT_EQ(split(search, "\U00013DEBnew new\U00010D40 new\u24D0"), "-:\U00013DEBnew new\U00010D40 new\u24D0");
  EXPECT_EQ(split(search, "(new)…new—"), "-:(|1:new|-:)…|1:new|-:—");
}

TEST(AddedTokens, SpecialOnesCanBePlainText) {
  AddedToken special = token("<end>", 1);
  special.special = true;
  const AddedTokenSearch search({special, token("e", 2)});
  EXPECT_EQ(split(search, "e<end>e"), "2:e|1:<end>|2:e");
  // The special token is passed over as a whole: the "e" inside it is no match.
  EXPECT_EQ(split(search, "e<end>e", false), "2:e|-:<end>|2:e");
}

TEST(AddedTokens, NormalizedOnesAreSoughtByTheirNormalForm) {
  AddedToken raw = token("[A]", 1), normalized = token("[B]", 2);
  normalized.normalized = true;
  const AddedTokens added({raw, normalized}, [](std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
  });
  EXPECT_EQ(split(added.raw(), "[A][a][B][b]"), "1:[A]|-:[a][B][b]");
  EXPECT_EQ(split(added.normalized(), "[a][b]"), "-:[a]|2:[b]");
  ASSERT_NE(added.find(2), nullptr);
  EXPECT_EQ(added.find(2)->content, "[B]");
  EXPECT_EQ(added.find(3), nullptr);
}

}  // namespace
}  // namespace attune
