// What is JSON, what is not, and what is too much.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "json/value.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using json::ParseRule;

ParseRule rule_of(const std::string& text, const json::Limits& limits = {}) {
  try {
    json::parse(text, "t", limits);
  } catch (const json::ParseError& error) {
    return error.rule();
  }
  ADD_FAILURE() << "no error";
  return ParseRule::kSyntax;
}

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(JsonParse, TextsThatAreNotJson) {
  for (const char* text : {"",          " ",           "{",
                           "[",         "[1",          "[1,",
                           "[1,]",      "{\"a\"",      "{\"a\":",
                           "{\"a\":1",  "{\"a\":1,}",  "{a:1}",
                           "nul",       "truex",       "NaN",
                           "Infinity",  "-Infinity",   "-",
                           "01",        "1.",          ".5",
                           "1e",        "+1",          "0x10",
                           "'a'",       "\"a",         "\"\\x41\"",
                           "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"",
                           "\"a\nb\"",  "\"\xff\"",    "\"\xc0\x80\"",
                           "{} {}",     "[] x",        "// a\n1",
                           "1e400"})
    EXPECT_EQ(rule_of(text), ParseRule::kSyntax) << text;
}

TEST(JsonParse, AZeroByteIsNoEnd) {
  const std::string zero(1, '\0');
  for (const std::string& text : {zero, "{}" + zero, "{}" + zero + "x", "[1" + zero + "]", "\"a" + zero + "\""})
    EXPECT_EQ(rule_of(text), ParseRule::kSyntax) << text;
}

TEST(JsonParse, AMessageNamesFileAndPlace) {
  EXPECT_EQ(message_of([] { json::parse("{\"a\": tru}", "config.json"); }),
            "config.json: not valid JSON: parse error at line 1, column 10: syntax error while parsing value - invalid "
            "literal; last read: '\"a\": tru}'");
  const std::string message = message_of([] { json::parse("\"" + std::string(100'000, 'x'), "t"); });
  EXPECT_LT(message.size(), 400u);
  EXPECT_EQ(message_of([] { json::parse("\"a\nb\"", "t"); }).find('\n'), std::string::npos);
}

TEST(JsonParse, EveryTruncationIsAnError) {
  const std::string whole = R"({"a": [1, -2.5e3, "x\u00e9\n", true, null], "b": {"c": {}}})";
  EXPECT_EQ(json::parse(whole, "t")["a"].size(), 5u);
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(rule_of(whole.substr(0, length)), ParseRule::kSyntax) << length;
}

TEST(JsonParse, DepthIsBounded) {
  const auto nested = [](std::size_t depth) { return repeat("[", depth) + repeat("]", depth); };
  const auto nested_objects = [](std::size_t depth) { return repeat("{\"a\":", depth) + "1" + repeat("}", depth); };
  EXPECT_NO_THROW(json::parse(nested(128), "t"));
  EXPECT_EQ(rule_of(nested(129)), ParseRule::kTooDeep);
  EXPECT_NO_THROW(json::parse(nested_objects(128), "t"));
  EXPECT_EQ(rule_of(nested_objects(129)), ParseRule::kTooDeep);
  EXPECT_EQ(rule_of(nested(110'000)), ParseRule::kTooDeep);
  EXPECT_EQ(rule_of(nested_objects(110'000)), ParseRule::kTooDeep);
  EXPECT_EQ(rule_of(repeat("[", 5'000'000)), ParseRule::kTooDeep);
  EXPECT_EQ(message_of([&] { json::parse(nested(129), "t.json"); }), "t.json: JSON is nested more than 128 deep");
}

TEST(JsonParse, SizeIsBounded) {
  EXPECT_EQ(rule_of("[1, 2, 3]", {.max_bytes = 8}), ParseRule::kTooLarge);
  EXPECT_NO_THROW(json::parse("[1, 2, 3]", "t", {.max_bytes = 9}));
  EXPECT_EQ(rule_of("[1, 2, 3]", {.max_values = 3}), ParseRule::kTooLarge);
  EXPECT_NO_THROW(json::parse("[1, 2, 3]", "t", {.max_values = 4}));
  EXPECT_EQ(message_of([] { json::parse("[1, 2, 3]", "t", {.max_bytes = 8}); }), "t: has 9 bytes, at most 8 are read");
  EXPECT_EQ(message_of([] { json::read("/dev/zero", {.max_bytes = 1000}); }), "/dev/zero: has more than 1000 bytes");
}

TEST(JsonParse, AKeyComesOnce) {
  EXPECT_EQ(rule_of(R"({"a": 1, "b": {"c": 1, "c": 2}})"), ParseRule::kDuplicateKey);
  EXPECT_EQ(rule_of(R"({"a": 1, "\u0061": 2})"), ParseRule::kDuplicateKey);
  EXPECT_NO_THROW(json::parse(R"({"a": {"a": [{"a": 1}, {"a": 1}]}})", "t"));
  EXPECT_EQ(message_of([] { json::parse("{\"a\\n\": 1, \"a\\n\": 2}", "t"); }),
            "t: has the key 'a\\x0a' twice in one object");
  for (const int keys : {2, 16, 17, 100}) {
    std::string text = "{\"0\": 0";
    for (int i = 1; i < keys; ++i) text += str_cat(", \"", i, "\": 0");
    EXPECT_NO_THROW(json::parse(text + "}", "t")) << keys;
    EXPECT_EQ(rule_of(str_cat(text, ", \"", keys - 1, "\": 0}")), ParseRule::kDuplicateKey) << keys;
    EXPECT_EQ(rule_of(text + ", \"0\": 0}"), ParseRule::kDuplicateKey) << keys;
  }
}

TEST(JsonParse, Files) {
  const std::string path = (std::filesystem::temp_directory_path() / "attune_json_test.json").string();
  std::ofstream(path) << R"({"a": "ä"})";
  EXPECT_EQ(json::read(path)["a"].string(), "ä");
  EXPECT_EQ(json::read(path).file(), path);
  std::filesystem::remove(path);
  EXPECT_THROW(json::read(path), IoError);
}

}  // namespace
}  // namespace attune::testing
