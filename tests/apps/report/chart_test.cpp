// Scales and charts: round ticks, and drawings of empty, constant and single values.
#include "apps/report/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "base/check.h"

namespace attune::html {
namespace {

std::vector<std::string> texts_of(const Scale& scale) {
  std::vector<std::string> out;
  for (const double tick : scale.ticks) out.push_back(tick_text(scale, tick));
  return out;
}
using Texts = std::vector<std::string>;

TEST(Scales, HaveRoundTicks) {
  EXPECT_EQ(texts_of(fixed_scale(0, 1)), (Texts{"0", "0.2", "0.4", "0.6", "0.8", "1"}));
  EXPECT_EQ(texts_of(fixed_scale(0, 99)), (Texts{"0", "20", "40", "60", "80"}));
  EXPECT_EQ(texts_of(fixed_scale(0, 5e-5)), (Texts{"0", "1e-5", "2e-5", "3e-5", "4e-5", "5e-5"}));
  EXPECT_EQ(texts_of(fixed_scale(0, 400000)), (Texts{"0", "100000", "200000", "300000", "400000"}));
  EXPECT_EQ(texts_of(fixed_scale(0, 2e9)), (Texts{"0", "5e8", "1e9", "1.5e9", "2e9"}));
  EXPECT_EQ(texts_of(scale_of(std::vector{0.612, 0.693})), (Texts{"0.6", "0.62", "0.64", "0.66", "0.68", "0.7"}));
  EXPECT_EQ(texts_of(scale_of(std::vector{-3.2, 4.9})), (Texts{"-4", "-2", "0", "2", "4", "6"}));
}

TEST(Scales, ShowEveryValue) {
  for (double low = -2; low < 2; low += 0.173)
    for (double width = 1e-9; width < 1e9; width *= 7.3) {
      const Scale scale = scale_of(std::vector{low, low + width});
      EXPECT_LE(scale.min, low);
      EXPECT_GE(scale.max, low + width);
      EXPECT_GE(scale.ticks.size(), 2u) << low << " " << width;
      EXPECT_LE(scale.ticks.size(), 12u) << low << " " << width;
      EXPECT_LT(scale.max - scale.min, 4 * width) << low << " " << width;
      for (const double tick : scale.ticks) EXPECT_TRUE(scale.min <= tick && tick <= scale.max);
      const std::vector<std::string> texts = texts_of(scale);
      for (std::size_t i = 1; i < texts.size(); ++i) EXPECT_NE(texts[i], texts[i - 1]) << low << " " << width;
    }
}

TEST(Scales, OfConstantSingleAndNoValues) {
  for (const double value : {0.0, 5e-5, -7.0, 1e30}) {
    const Scale scale = scale_of(std::vector{value, value});
    EXPECT_LT(scale.min, value);
    EXPECT_GT(scale.max, value);
    EXPECT_NEAR(scale.place(value), 0.5, 1e-6) << value;
    EXPECT_GE(scale.ticks.size(), 2u);
  }
  EXPECT_EQ(scale_of({}).min, 0);
  EXPECT_EQ(scale_of({}).max, 1);
  EXPECT_EQ(scale_of(std::vector{3.0}).place(3), 0.5);
  EXPECT_LT(scale_of(std::vector{0.0, 1e-310}).min, 0);
  EXPECT_THROW(scale_of(std::vector{1.0, std::numeric_limits<double>::quiet_NaN()}), Error);
  EXPECT_THROW(scale_of(std::vector{std::numeric_limits<double>::infinity()}), Error);
  EXPECT_THROW(fixed_scale(1, 1), Error);
}

TEST(Scales, AreLogarithmicForWideValues) {
  const Scale wide = log_scale_if_wide(std::vector{0.02, 35.0, 1.0});
  EXPECT_TRUE(wide.log);
  EXPECT_EQ(texts_of(wide), (Texts{"0.01", "0.1", "1", "10", "100"}));
  EXPECT_NEAR(wide.place(1), 0.5, 1e-12);
  EXPECT_FALSE(log_scale_if_wide(std::vector{1.0, 50.0}).log);
  EXPECT_FALSE(log_scale_if_wide(std::vector{0.0, 50.0}).log) << "0 has no logarithm";
  EXPECT_EQ(log_scale_if_wide(std::vector{1e-30, 1e30}).ticks.size(), 6u);
}

TEST(Numbers, AsTexts) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(0.123456), "0.1235");
  EXPECT_EQ(number_text(5e-5), "5e-5");
  EXPECT_EQ(number_text(12345.6), "12346");
  EXPECT_EQ(number_text(-3e20), "-3e20");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(-1234567), "-1,234,567");
}

std::string drawn(const Chart& chart) {
  Writer out;
  write_chart(out, "c", chart);
  return out.take();
}

TEST(Charts, DrawLinesAndStops) {
  const Chart chart{.title = "a < b",
                    .description = "it \"falls\"",
                    .x_title = "x",
                    .y_title = "y",
                    .x = fixed_scale(0, 10),
                    .y = fixed_scale(0, 1),
                    .series = {{.name = "one", .marks = {{0, 0, "first\nmark"}, {10, 1, "<last>"}}}},
                    .stops = {{5, 0.5, "between"}}};
  const std::string page = drawn(chart);
  EXPECT_NE(page.find("<path class=\"line\" d=\"M48 206L368 20\"/>"), std::string::npos) << page;
  EXPECT_NE(page.find("data-stops=\"48 206 first mark\n368 20 &lt;last&gt;\n208 113 between\""), std::string::npos);
  EXPECT_NE(page.find("aria-label=\"a &lt; b. it &quot;falls&quot;\""), std::string::npos);
  EXPECT_EQ(page.find("legend"), std::string::npos) << "one series needs none";
}

TEST(Charts, ASinglePointIsADot) {
  const std::vector<double> one = {4};
  const std::string page =
      drawn({.title = "t", .x = scale_of(one), .y = scale_of(one), .series = {{.name = "s", .marks = {{4, 4, "4"}}}}});
  EXPECT_NE(page.find("class=\"large dots\" d=\"M208 113h0\""), std::string::npos) << page;
}

TEST(Charts, WithoutValuesHaveAxesAlone) {
  const std::string page = drawn({.title = "t", .series = {{.name = "a"}, {.name = "b"}}});
  EXPECT_NE(page.find("data-stops=\"\""), std::string::npos);
  EXPECT_EQ(page.find("nan"), std::string::npos);
  EXPECT_NE(page.find("legend"), std::string::npos);
}

TEST(Charts, HaveRoomForLongTicks) {
  const Chart chart{.title = "t",
                    .x = fixed_scale(0, 1),
                    .y = fixed_scale(0.0049918, 0.005),
                    .series = {{.name = "s", .marks = {{0, 0.005}, {1, 0.005}}}}};
  EXPECT_EQ(tick_text(chart.y, chart.y.ticks[0]), "0.004992");
  EXPECT_NE(drawn(chart).find("class=\"line\" d=\"M64.4 20L368 20\""), std::string::npos) << drawn(chart);
}

TEST(Charts, BarsAndOutlines) {
  Chart chart{.title = "t", .x = fixed_scale(0, 4), .y = fixed_scale(0, 2)};
  chart.series = {{.name = "bars", .marks = {{1, 2}, {3, 0}}, .form = Series::Form::kBars, .bar_width = 2},
                  {.name = "outline", .marks = {{1, 1}, {3, 2}}, .form = Series::Form::kOutline, .bar_width = 2}};
  chart.uprights = {{3, "limit"}, {5, "outside"}};
  const std::string page = drawn(chart);
  EXPECT_NE(page.find("class=\"bars\" d=\"M48 206V20H208V206Z\""), std::string::npos)
      << "a bar of 0 is not drawn: " << page;
  EXPECT_NE(page.find("d=\"M48 206L48 113L208 113L208 20L368 20L368 206\""), std::string::npos) << page;
  EXPECT_NE(page.find("limit"), std::string::npos);
  EXPECT_EQ(page.find("outside"), std::string::npos);
}

}  // namespace
}  // namespace attune::html
