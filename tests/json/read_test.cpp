// Typed access: values, ranges, defaults, and the messages with file and path.
#include <gtest/gtest.h>

#include "json/value.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using json::Value;

Value parse(const std::string& text) {
  return json::parse(text, "config.json");
}

// The message of reading `text` by `read`, without "config.json: ".
template <class Read>
std::string complaint(const std::string& text, Read&& read) {
  const std::string message = message_of([&] { read(parse(text)); });
  EXPECT_TRUE(message.starts_with("config.json: ")) << message;
  return message.substr(std::min<std::size_t>(message.size(), 13));
}

TEST(JsonRead, Values) {
  const Value root = parse(R"({"s": "x", "i": -3, "d": 2.5, "t": true, "n": null, "a": [1, "two"], "o": {"k": 7}})");
  EXPECT_EQ(root["s"].string(), "x");
  EXPECT_EQ(root["i"].integer(), -3);
  EXPECT_EQ(root["i"].number(), -3.0);
  EXPECT_EQ(root["d"].number(), 2.5);
  EXPECT_TRUE(root["t"].boolean());
  EXPECT_EQ(root["a"].items()[1].string(), "two");
  EXPECT_EQ(root["o"]["k"].integer(), 7);
  EXPECT_EQ(root.size(), 7u);
  EXPECT_TRUE(root.has("s"));
  EXPECT_FALSE(root.has("n"));
  EXPECT_FALSE(root.has("missing"));
  std::string keys;
  root.for_each([&](const std::string& key, const Value& value) { keys += key + (value.is_null() ? "!" : ""); });
  EXPECT_EQ(keys, "sidtn!ao");
}

TEST(JsonRead, WrongKinds) {
  const auto kind = [](const char* text, auto read) { return complaint(text, read); };
  EXPECT_EQ(
      kind(R"({"rope": {"full": {"theta": "ten"}}})", [](const Value& v) { v["rope"]["full"]["theta"].number(); }),
      "rope.full.theta: must be a number, found \"ten\"");
  EXPECT_EQ(kind(R"([[1], [2, [3]]])", [](const Value& v) { v.items()[1].items()[1].string(); }),
            "[1][1]: must be a string, found an array of 1 element");
  EXPECT_EQ(kind(R"({"a": {"b": 1}})", [](const Value& v) { v["a"].items(); }),
            "a: must be an array, found an object of 1 member");
  EXPECT_EQ(kind("[1, 2]", [](const Value& v) { v.find("a"); }), "must be an object, found an array of 2 elements");
  EXPECT_EQ(kind("{\"a\": 1}", [](const Value& v) { v["a"].boolean(); }), "a: must be true or false, found 1");
  EXPECT_EQ(kind("{\"a\": 1.5}", [](const Value& v) { v["a"].integer(); }), "a: must be an integer, found 1.5");
  EXPECT_EQ(kind("{\"a\": true}", [](const Value& v) { v["a"].integer(); }), "a: must be an integer, found true");
  EXPECT_EQ(kind("{\"a\": 3}", [](const Value& v) { v["a"].size(); }), "a: must be an array or object, found 3");
}

TEST(JsonRead, MissingKeys) {
  EXPECT_EQ(complaint("{}", [](const Value& v) { v["a"]; }), "the key 'a' is missing");
  EXPECT_EQ(complaint(R"({"a": {"b": null}})", [](const Value& v) { v["a"]["b"]; }), "a: the key 'b' is null");
}

TEST(JsonRead, IntegersNeverLoseDigits) {
  EXPECT_EQ(parse("9223372036854775807").integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse("-9223372036854775808").integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(complaint("{\"a\": 9223372036854775808}", [](const Value& v) { v["a"].integer(); }),
            "a: must be an integer of 64 bits, found 9223372036854775808");
  EXPECT_EQ(complaint("-9223372036854775809", [](const Value& v) { v.integer(); }),
            "must be an integer of 64 bits, found -9223372036854775808");
  EXPECT_EQ(complaint("1" + std::string(40, '0'), [](const Value& v) { v.integer(); }),
            "must be an integer of 64 bits, found 1e+40");
  EXPECT_EQ(parse("7").integer(7, 7), 7);
  EXPECT_EQ(complaint("{\"a\": [0, 8]}", [](const Value& v) { v["a"].items()[1].integer(0, 7); }),
            "a[1]: must be an integer from 0 to 7, found 8");
  EXPECT_EQ(complaint("0", [](const Value& v) { v.integer(1); }), "must be an integer of at least 1, found 0");
  EXPECT_EQ(complaint("18446744073709551615", [](const Value& v) { v.integer(0, 255); }),
            "must be an integer from 0 to 255, found 18446744073709551615");
}

TEST(JsonRead, UnsignedIntegers) {
  EXPECT_EQ(parse("18446744073709551615").unsigned_integer(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse("7").unsigned_integer(), 7u);
  for (const char* bad : {"-1", "18446744073709551616", "1.0", "\"1\""})
    EXPECT_TRUE(complaint(bad, [](const Value& v) { v.unsigned_integer(); })
                    .starts_with("must be an unsigned integer of 64 bits, found "))
        << bad;
}

TEST(JsonRead, Ranges) {
  EXPECT_EQ(parse("1e-5").positive(), 1e-5);
  EXPECT_EQ(complaint("0", [](const Value& v) { v.positive(); }), "must be a positive number, found 0");
  EXPECT_EQ(complaint("\"1\"", [](const Value& v) { v.positive(); }), "must be a positive number, found \"1\"");
  EXPECT_EQ(parse("0").non_negative(), 0);
  EXPECT_EQ(complaint("-0.5", [](const Value& v) { v.non_negative(); }), "must be a number of at least 0, found -0.5");
  EXPECT_EQ(parse("0").probability(), 0);
  EXPECT_EQ(complaint("1", [](const Value& v) { v.probability(); }), "must be a probability in [0, 1), found 1");
  EXPECT_EQ(complaint("-0.1", [](const Value& v) { v.probability(); }), "must be a probability in [0, 1), found -0.1");
}

TEST(JsonRead, Defaults) {
  const Value v = parse(R"({"n": null, "b": false, "s": "x", "i": 4, "d": 0.5})");
  for (const char* key : {"n", "missing"}) {
    EXPECT_TRUE(v.boolean_or(key, true));
    EXPECT_EQ(v.string_or(key, "y"), "y");
    EXPECT_EQ(v.integer_or(key, 9), 9);
    EXPECT_EQ(v.number_or(key, 1.5), 1.5);
    EXPECT_EQ(v.positive_or(key, 1.5), 1.5);
    EXPECT_EQ(v.non_negative_or(key, 1.5), 1.5);
    EXPECT_EQ(v.probability_or(key, 0.25), 0.25);
  }
  EXPECT_FALSE(v.boolean_or("b", true));
  EXPECT_EQ(v.string_or("s", "y"), "x");
  EXPECT_EQ(v.integer_or("i", 9), 4);
  EXPECT_EQ(v.number_or("d", 9), 0.5);
  EXPECT_EQ(v.probability_or("d", 9), 0.5);
  EXPECT_EQ(complaint(R"({"i": 4})", [](const Value& x) { x.integer_or("i", 1, 5, 6); }),
            "i: must be an integer from 5 to 6, found 4");
  EXPECT_EQ(complaint(R"({"s": 4})", [](const Value& x) { x.string_or("s", ""); }), "s: must be a string, found 4");
}

TEST(JsonRead, MessagesAreOneLine) {
  EXPECT_EQ(complaint("{\"a\\u001b\\n\": {\"b\": \"x\\u0007\"}}", [](const Value& v) { v["a\x1b\n"]["b"].integer(); }),
            "a\\x1b\\x0a.b: must be an integer, found \"x\\u0007\"");
  const std::string message = complaint("\"" + std::string(100'000, 'x') + "\"", [](const Value& v) { v.integer(); });
  EXPECT_LT(message.size(), 200u);
}

TEST(JsonRead, ValuesOutliveTheirDocument) {
  std::optional<Value> inner;
  {
    const Value root = parse(R"({"a": {"b": [1, 2]}})");
    inner = root["a"]["b"].items()[1];
  }
  EXPECT_EQ(inner->integer(), 2);
  EXPECT_EQ(message_of([&] { inner->fail("is odd"); }), "config.json: a.b[1]: is odd");
}

}  // namespace
}  // namespace attune::testing
