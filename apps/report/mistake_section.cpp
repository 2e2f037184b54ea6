#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "apps/report/scale.h"
#include "apps/report/sections.h"

namespace attune::html {
namespace {

constexpr std::size_t kMaxText = 4000, kShortText = 400, kMaxWords = 300, kNamedWords = 6;

using Words = std::vector<std::pair<std::string, double>>;

double largest_of(const Words& words) {
  double out = 0;
  for (const auto& [word, value] : words) out = std::max(out, std::abs(value));
  return out;
}

// A word as it is shown. White space alone is an empty word, and has a sign.
std::string shown_word(const std::string& word) {
  return word.empty() ? "\xE2\x90\xA3" : shortened(word, kMaxName);
}

std::string signed_text(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2g", std::abs(value));
  return (value < 0 ? "\xE2\x88\x92" : "+") + std::string(text.data());
}

// The words of a text, strong ones marked.
void write_words(Writer& out, const Words& words) {
  const double largest = largest_of(words);
  const auto paragraph = out.in("p", {{"class", "text"}, {"dir", "auto"}});
  for (std::size_t i = 0; i < std::min(words.size(), kMaxWords); ++i) {
    const auto& [word, value] = words[i];
    const double share = largest > 0 ? std::abs(value) / largest : 0;
    const int level = share > 0.7 ? 3 : share > 0.4 ? 2 : share > 0.2 ? 1 : 0;
    if (i > 0) out.text(" ");
    if (level == 0)
      out.text(shown_word(word));
    else
      out.element("span",
                  {{"class", "w " + std::string(value > 0 ? "for" : "against") + std::to_string(level)},
                   {"title", signed_text(value)}},
                  shown_word(word));
  }
  if (words.size() > kMaxWords)
    out.text(" \xE2\x80\xA6 and " + std::to_string(words.size() - kMaxWords) + " more words");
}

// The strongest words of one sign, for those who do not see the colours.
void write_list(Writer& out, Words words, bool positive) {
  std::erase_if(words, [&](const auto& word) { return positive ? word.second <= 0 : word.second >= 0; });
  std::ranges::stable_sort(words, [](const auto& a, const auto& b) { return std::abs(a.second) > std::abs(b.second); });
  if (words.empty()) out.text("none");
  for (std::size_t i = 0; i < std::min(words.size(), kNamedWords); ++i) {
    if (i > 0) out.text(", ");
    out.element("bdi", shown_word(words[i].first));
    out.text(" " + signed_text(words[i].second));
  }
}

void write_strongest(Writer& out, const RunPage& page, const PageMistake& mistake) {
  const auto words = out.in("p", {{"class", "note"}});
  if (page.numbers && page.outputs.size() == 1) {
    out.text("Raised");
  } else {
    out.text(page.numbers ? "Raised " : "For ");
    out.element("bdi", output_name(page, mistake.explained));
  }
  out.text(": ");
  write_list(out, mistake.words, true);
  out.text(page.numbers ? ". Lowered it: " : ". Against it: ");
  write_list(out, mistake.words, false);
  out.text(".");
}

void write_source(Writer& out, const PageMistake& mistake) {
  if (!mistake.text_found) {
    out.element("p", {{"class", "note"}}, "The text could not be read again from its source.");
    return;
  }
  const auto write = [&](const std::string& text) {
    out.element("p", {{"class", "text"}, {"dir", "auto"}}, shortened(text, kMaxText));
  };
  if (mistake.words.empty() && mistake.text.size() + mistake.pair.size() <= kShortText) {
    write(mistake.text);
    if (!mistake.pair.empty()) write(mistake.pair);
    return;
  }
  const auto details = out.in("details");
  out.element("summary", mistake.pair.empty() ? "The text as it is in the data" : "The texts as they are in the data");
  write(mistake.text);
  if (!mistake.pair.empty()) write(mistake.pair);
}

}  // namespace

bool has_mistakes(const RunPage& page) {
  return page.figures.has_value() && !page.figures->mistakes.empty();
}

void write_mistakes(Writer& out, const RunPage& page) {
  const PageFigures& figures = *page.figures;
  const std::string shown = count_text(std::ssize(figures.mistakes));
  out.element("p", page.numbers
                       ? "The " + shown + " test texts with the largest errors."
                       : "The " + shown + " mistakes with the largest losses, of " + count_text(figures.all_mistakes) +
                             " among " + count_text(figures.examples) + " test texts.");
  if (std::ranges::any_of(figures.mistakes, [](const PageMistake& mistake) { return !mistake.words.empty(); })) {
    const auto key = out.in("p", {{"class", "note"}});
    out.text("Words that mattered (integrated gradients): ");
    out.element("span", {{"class", "w for3"}}, "raise");
    out.text(" or ");
    out.element("span", {{"class", "w against3"}}, "lower");
    out.text(" the named output, the stronger the darker.");
  }
  const auto list = out.in("ol", {{"class", "mistakes"}});
  for (const PageMistake& mistake : figures.mistakes) {
    const auto item = out.in("li");
    {
      const auto heading = out.in("h3");
      out.text("Row " + count_text(mistake.row) + ": label ");
      out.element("bdi", shortened(mistake.labels, 3 * kMaxName));
      out.text(", predicted ");
      out.element("bdi", shortened(mistake.predictions, 3 * kMaxName));
    }
    out.element("p", {{"class", "note"}}, (page.numbers ? "Squared error " : "Loss ") + number_text(mistake.loss));
    if (!mistake.words.empty()) {
      write_words(out, mistake.words);
      write_strongest(out, page, mistake);
    }
    write_source(out, mistake);
  }
}

}  // namespace attune::html
