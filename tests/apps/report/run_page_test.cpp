// The page of a run: nothing of the data becomes markup, missing parts are left out, and it stays small.
#include "apps/report/run_page.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune {
namespace {

constexpr const char* kHostile = "</script><script>alert(1)</script>\"'&\x01\xFF";

std::size_t count_of(const std::string& page, const std::string& text) {
  std::size_t out = 0;
  for (std::size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++out;
  return out;
}

// Everything that a page can have, `scale` times what it usually has, and with hostile texts everywhere.
RunPage full_page(std::size_t scale) {
  std::string hostile;
  for (std::size_t i = 0; i < scale; ++i) hostile += kHostile;
  RunPage page;
  page.title = page.subtitle = page.command = page.kept_measure = hostile;
  if (page.command.size() > 8000) page.command.resize(8000);  // the caller's limit
  page.remarks = page.data_remarks = {kHostile};
  page.tiles = {{kHostile, kHostile}};
  page.outputs.assign(4 * scale, hostile);
  page.options.assign(80, {kHostile, hostile, "x"});
  page.options.push_back({"--same", hostile, hostile});
  page.environment = {{kHostile, hostile}};
  for (const char* title : {"train", "validation", "test"})
    page.splits.push_back({.title = title,
                           .examples = 100,
                           .counts = std::vector<std::int64_t>(page.outputs.size(), 5),
                           .lengths = std::vector<std::int64_t>(100 * scale, 3)});
  page.max_length = 64;
  page.best_step = 7;
  for (std::int64_t step = 0; step < static_cast<std::int64_t>(1000 * scale); ++step)
    for (ThinnedCurve* curve : {&page.curves.loss, &page.curves.learning_rate, &page.curves.grad_norm,
                                &page.curves.train_loss, &page.curves.validation_loss, &page.curves.measured})
      curve->add(step, 1 + std::sin(static_cast<double>(step)));
  for (const char* split : {"train", "test"}) {
    page.evaluations.push_back({.split = split, .examples = 100, .measures = {{kHostile, 0.5}, {"nan", std::nan("")}}});
    for (std::size_t k = 0; k < page.outputs.size(); ++k) page.evaluations.back().measures.push_back({"f1", 0.5, k});
  }
  PageFigures& figures = page.figures.emplace();
  figures.examples = 100;
  if (page.outputs.size() <= 500) figures.confusion.assign(page.outputs.size() * page.outputs.size(), 1);
  figures.reliability.assign(15, {10, 0.5, 0.4});
  for (std::size_t k = 0; k < 6; ++k)
    figures.rankings.push_back({.output = k % page.outputs.size(), .points = std::vector<CurvePoint>(200, {0.5, 0.5})});
  figures.fits.assign(4, {.points = std::vector<CurvePoint>(1000, {1.23456, -6.54321}), .residuals = {1, 2, -3}});
  PageMistake mistake{.row = 3,
                      .loss = 2,
                      .labels = hostile,
                      .predictions = hostile,
                      .text = hostile,
                      .pair = hostile,
                      .text_found = true};
  mistake.words.assign(50 * scale, {kHostile, 0.5});
  figures.mistakes.assign(10, mistake);
  return page;
}

TEST(RunPages, NothingOfTheDataIsMarkup) {
  const std::string page = run_page(full_page(1));
  EXPECT_EQ(count_of(page, "<script>"), 1u);
  EXPECT_EQ(count_of(page, "</script>"), 1u);
  EXPECT_GT(
      count_of(page, "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\xE2\x90\x81\xEF\xBF\xBD"),
      50u);
  EXPECT_EQ(page.find('\x01'), std::string::npos);
  EXPECT_EQ(page.find('\xFF'), std::string::npos);
  EXPECT_EQ(page.find("nan\""), std::string::npos);
  EXPECT_EQ(count_of(page, "undefined</td>"), 2u);
}

TEST(RunPages, StaySmall) {
  EXPECT_LT(run_page(full_page(1)).size(), 1'000'000u);
  EXPECT_LT(run_page(full_page(100)).size(), 2'000'000u);
  EXPECT_LT(run_page(full_page(1000)).size(), 2'000'000u);
}

TEST(RunPages, OfNothing) {
  const std::string page = run_page({});
  for (const char* section : {"measures", "curves", "predictions", "mistakes"})
    EXPECT_EQ(count_of(page, std::string("<section id=\"") + section), 0u) << section;
  for (const char* section : {"data", "settings", "environment"}) {
    EXPECT_EQ(count_of(page, std::string("<section id=\"") + section), 1u) << section;
    EXPECT_EQ(count_of(page, std::string("href=\"#") + section), 1u) << section;
  }
}

TEST(RunPages, OfOneStepAndOneText) {
  RunPage page;
  page.outputs = {"a"};
  page.numbers = true;
  page.splits = {{.title = "train", .examples = 1, .numbers = {{1, 0}}, .lengths = {0, 1}}};
  page.curves.loss.add(0, 0);
  page.curves.measured.add(0, -1);
  page.figures.emplace().examples = 1;
  page.figures->fits = {{.points = {{2, 2}}, .residuals = {0}}};
  EXPECT_NE(run_page(page).find("after cutting"), std::string::npos);
  page.splits[0].windows = 3;
  const std::string text = run_page(page);
  EXPECT_NE(text.find("in all windows of a text"), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
  EXPECT_NE(text.find("label 2, predicted 2"), std::string::npos);
}

}  // namespace
}  // namespace attune
