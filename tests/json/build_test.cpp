// Building and writing values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "json/value.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using json::Value;

TEST(JsonBuild, OrderAndKinds) {
  Value v = Value::object({{"z", 1}, {"a", "text"}, {"list", Value::array({true, nullptr, 2.5, Value::object()})}});
  v.set("b", Value::array_of(std::vector<std::int32_t>{3, 1}));
  v.set("z", Value::array_of(std::vector<std::string>{"x"}));
  EXPECT_EQ(v.dump(), R"({"z":["x"],"a":"text","list":[true,null,2.5,{}],"b":[3,1]})");
  EXPECT_EQ(Value::array({}).dump(), "[]");
  EXPECT_EQ(Value().dump(), "null");
}

TEST(JsonBuild, Indented) {
  const Value v = Value::object({{"a", Value::array({1, Value::array()})}, {"b", Value::object({{"c", 2}})}});
  EXPECT_EQ(v.dump(2), "{\n  \"a\": [\n    1,\n    []\n  ],\n  \"b\": {\n    \"c\": 2\n  }\n}");
}

TEST(JsonBuild, Merge) {
  Value v = Value::object({{"a", 1}, {"b", 2}});
  v.merge(Value::object({{"c", 3}, {"a", 4}}));
  EXPECT_EQ(v.dump(), R"({"a":4,"b":2,"c":3})");
}

TEST(JsonBuild, CopiesAreIndependent) {
  Value first = Value::object({{"a", Value::object({{"b", 1}})}});
  Value second = first;
  Value inner = first["a"];
  second.set("a", 2);
  inner.set("b", 3);
  EXPECT_EQ(first.dump(), R"({"a":{"b":1}})");
  EXPECT_EQ(second.dump(), R"({"a":2})");
  EXPECT_EQ(inner.dump(), R"({"b":3})");
  first.set("self", first);
  EXPECT_EQ(first.dump(), R"({"a":{"b":1},"self":{"a":{"b":1}}})");
}

TEST(JsonBuild, AChangedPartKeepsItsPlace) {
  Value part = json::parse(R"({"a": {"b": [1]}})", "f")["a"];
  part.set("c", 5);
  EXPECT_EQ(message_of([&] { part["b"].items()[0].string(); }), "f: a.b[0]: must be a string, found 1");
}

TEST(JsonBuild, OnlyObjectsHaveMembers) {
  Value number = 3, list = Value::array();
  EXPECT_EQ(message_of([&] { number.set("a", 1); }), "must be an object, found 3");
  EXPECT_EQ(message_of([&] { number.push_back(1); }), "must be an array, found 3");
  EXPECT_THROW(list.set("a", 1), Error);
}

TEST(JsonBuild, Strings) {
  const std::string text = std::string("\"\\/\b\f\n\r\t\x01\x1f\x7f", 11) + "é漢😀" + std::string(1, '\0');
  EXPECT_EQ(Value(text).dump(), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7fé漢😀\\u0000\"");
  EXPECT_EQ(json::parse(Value(text).dump(), "t").string(), text);
  EXPECT_EQ(json::parse(R"("\u00e9\u6f22\ud83d\ude00\/")", "t").string(), "é漢😀/");
  EXPECT_EQ(message_of([] { Value("a\xff").dump(); }),
            "cannot be written as JSON: \"a\\xff\" is not valid UTF-8 at byte offset 1");
}

TEST(JsonBuild, Integers) {
  EXPECT_EQ(Value(std::numeric_limits<std::int64_t>::min()).dump(), "-9223372036854775808");
  EXPECT_EQ(Value(std::numeric_limits<std::uint64_t>::max()).dump(), "18446744073709551615");
  EXPECT_EQ(Value(std::int8_t{-1}).dump(), "-1");
  EXPECT_EQ(Value(7U).integer(), 7);
  EXPECT_EQ(json::parse("18446744073709551615", "t").dump(), "18446744073709551615");
}

TEST(JsonBuild, NumbersComeBack) {
  for (const double x : {0.0, -0.0, 1.0, 0.1, 1e-5, 1e22, 1e300, 5e-324, 1.7976931348623157e308, 1.0 / 3, 160000.0})
    EXPECT_EQ(json::parse(Value(x).dump(), "t").number(), x);
  EXPECT_TRUE(std::signbit(json::parse(Value(-0.0).dump(), "zero.json").number()));
  EXPECT_EQ(Value(-0.0).dump(), "-0.0");
  EXPECT_EQ(Value(0.1).dump(), "0.1");
  EXPECT_EQ(Value(1e-5).dump(), "1e-05");
  EXPECT_EQ(Value(160000.0).dump(), "160000");
  std::uint64_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto x = std::bit_cast<double>(state);
    const auto y = std::bit_cast<float>(static_cast<std::uint32_t>(state >> 32));
    if (std::isfinite(x)) {
      EXPECT_EQ(json::parse(Value(x).dump(), "t").number(), x);
    }
    if (std::isfinite(y)) {
      EXPECT_EQ(static_cast<float>(json::parse(Value(y).dump(), "t").number()), y);
    }
  }
}

TEST(JsonBuild, FloatsHaveTheDigitsOfAFloat) {
  EXPECT_EQ(Value(0.1F).dump(), "0.1");
  EXPECT_EQ(Value(16777216.0F).dump(), "16777216");
  EXPECT_EQ(Value(1.0F / 3).dump(), "0.33333334");
}

TEST(JsonBuild, WhatIsNotFiniteBecomesNull) {
  EXPECT_EQ(Value::array({std::nan(""), HUGE_VAL, -HUGE_VAL, HUGE_VALF}).dump(), "[null,null,null,null]");
}

TEST(JsonBuild, RoundTrips) {
  const std::string text = R"({"a":[1,-2,2.5,"x",true,false,null,{}],"b":{"c":[],"d":{"e":[[]]}}})";
  EXPECT_EQ(json::parse(text, "t").dump(), text);
  EXPECT_EQ(json::parse(json::parse(text, "t").dump(3), "t").dump(), text);
}

}  // namespace
}  // namespace attune::testing
