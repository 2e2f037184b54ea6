// The writer of HTML: what is escaped, and that elements close in order.
#include "apps/report/html.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/utf8.h"

namespace attune::html {
namespace {

TEST(Html, TextsAreEscaped) {
  EXPECT_EQ(escaped("</script><script>alert(\"1\" & '2')"),
            "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)");
  EXPECT_EQ(escaped("&amp;<!-- ]]>"), "&amp;amp;&lt;!-- ]]&gt;");
  EXPECT_EQ(escaped("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"), "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
}

TEST(Html, ControlCharactersAreVisible) {
  EXPECT_EQ(escaped(std::string("a\0b", 3)),
            "a\xE2\x90\x80"
            "b");
  EXPECT_EQ(escaped("\x1b[31m\r\x7f"), "\xE2\x90\x9B[31m\xE2\x90\x8D\xE2\x90\xA1");
  EXPECT_EQ(escaped("tab\tline\n"), "tab\tline\n");
}

TEST(Html, BrokenAndRefusedCodePointsAreReplaced) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(escaped("\xFF"), replaced);
  EXPECT_EQ(escaped("a\xC3"), "a" + replaced) << "cut";
  EXPECT_EQ(escaped("\xED\xA0\x80"), replaced + replaced + replaced) << "a surrogate";
  EXPECT_EQ(escaped("\xC0\xBC"
                    "script>"),
            replaced + replaced + "script&gt;")
      << "< in two bytes";
  EXPECT_EQ(escaped("\xC2\x85"), replaced) << "C1";
  EXPECT_EQ(escaped("\xC2\xA0"), "\xC2\xA0");
  EXPECT_EQ(escaped("\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xB7\x90\xF0\x9F\xBF\xBF"), replaced + replaced + replaced + replaced);
  EXPECT_EQ(escaped("\xEF\xB7\xB0\xEF\xBF\xBD"), "\xEF\xB7\xB0\xEF\xBF\xBD");
  EXPECT_EQ(escaped("\xE2\x80\xAE"
                    "x\xE2\x81\xA6"),
            replaced + "x" + replaced)
      << "directions";
  EXPECT_EQ(escaped("\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA"),
            "\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA");
}

TEST(Html, AnyBytesBecomeTextWithoutMarkup) {
  std::string all;
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; b += 5) all += {static_cast<char>(a), static_cast<char>(b), static_cast<char>(a ^ b)};
  const std::string out = escaped(all);
  EXPECT_FALSE(utf8_error(out));
  EXPECT_EQ(out.find_first_of("<>\"'"), std::string::npos);
  for (const char c : out) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\n');
}

TEST(Html, TextsAreCutBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc\xE2\x80\xA6");
  EXPECT_EQ(shortened("a\xE2\x82\xAC\xE2\x82\xAC", 5), "a\xE2\x82\xAC\xE2\x80\xA6");
  EXPECT_EQ(shortened("\x80\x80", 1), "\xE2\x80\xA6") << "no character begins";
}

TEST(Html, ElementsCloseInOrder) {
  Writer out;
  {
    const auto body = out.in("body", {{"class", "a\"b"}});
    out.element("p", "1 < 2");
    const auto list = out.in("ul");
    const auto item = out.in("li");
    out.element("b", "x");
    out.text(" y");
    out.empty("path", {{"d", "M0 0"}});
  }
  out.style("p { color: red }");
  EXPECT_EQ(out.take(),
            "<!DOCTYPE html>\n<body class=\"a&quot;b\"><p>1 &lt; 2</p>\n<ul><li><b>x</b> y<path d=\"M0 0\"/></li>\n"
            "</ul>\n</body>\n<style>p { color: red }</style>\n");
}

TEST(Html, AnOpenElementIsAnError) {
  Writer out;
  const auto body = out.in("body");
  EXPECT_THROW(out.take(), Error);
}

}  // namespace
}  // namespace attune::html
