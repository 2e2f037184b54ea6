#include "apps/report/sections.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "apps/report/chart.h"

namespace attune::html {
namespace {

// About this many bars of lengths.
constexpr std::int64_t kLengthBars = 32;

// The width of the bars of lengths: 1, 2 or 5 times a power of ten.
std::int64_t length_bar_width(std::int64_t longest) {
  for (std::int64_t power = 1;; power *= 10)
    for (const std::int64_t factor : {1, 2, 5})
      if (factor * power * kLengthBars >= longest) return factor * power;
}

Chart lengths_chart(const RunPage& page) {
  std::int64_t longest = 1;
  for (const PageSplit& split : page.splits) longest = std::max(longest, std::ssize(split.lengths) - 1);
  const std::int64_t width = length_bar_width(longest), bars = longest / width + 1;
  Chart chart{.title = "Lengths of the texts",
              .note = "In tokens, with the special ones, after cutting.",
              .x_title = "tokens",
              .y_title = "percent of the texts"};
  if (std::ranges::any_of(page.splits, [](const PageSplit& split) { return split.windows.has_value(); }))
    chart.note = "In tokens, with the special ones, in all windows of a text.";
  std::vector<double> heights = {0};
  for (const PageSplit& split : page.splits) {
    Series series{.name = split.title, .form = Series::Form::kBars, .bar_width = static_cast<double>(width)};
    if (!chart.series.empty()) series.form = Series::Form::kOutline;
    series.style = std::min(chart.series.size(), kSeriesStyles - 1);
    std::vector<std::int64_t> counts(static_cast<std::size_t>(bars));
    for (std::int64_t length = 0; length < std::ssize(split.lengths); ++length)
      counts[static_cast<std::size_t>(length / width)] += split.lengths[static_cast<std::size_t>(length)];
    for (std::int64_t bar = 0; bar < bars; ++bar) {
      const std::int64_t count = counts[static_cast<std::size_t>(bar)];
      const double share =
          100.0 * static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(split.examples, 1));
      heights.push_back(share);
      std::string words = split.title + ", " + std::to_string(bar * width) +
                          (width > 1 ? "\xE2\x80\x93" + std::to_string((bar + 1) * width - 1) : "") +
                          " tokens: " + count_text(count) + (count == 1 ? " text" : " texts");
      if (count == 0) words.clear();
      series.marks.push_back({(static_cast<double>(bar) + 0.5) * static_cast<double>(width), share, words});
    }
    chart.series.push_back(std::move(series));
  }
  const auto right = static_cast<double>(bars * width), limit = static_cast<double>(page.max_length);
  chart.x = fixed_scale(0, right);
  if (page.max_length > 0 && limit <= 1.5 * right) {
    chart.x = fixed_scale(0, std::max(right, limit));
    chart.uprights.push_back({limit, "context length " + std::to_string(page.max_length)});
  } else if (page.max_length > 0) {
    chart.note += " The context length of " + std::to_string(page.max_length) + " tokens is further to the right.";
  }
  chart.y = scale_of(heights);
  chart.description =
      "Histogram of the lengths of the texts of each split; the table of the data has the median and the longest.";
  return chart;
}

// Rows of a table with a column for each split.
class SplitRows {
 public:
  SplitRows(const RunPage& page, TableElement& table) : page_(page), table_(table) {
    std::vector<std::string> titles = {""};
    for (const PageSplit& split : page.splits) titles.push_back(split.title);
    table.head(titles);
  }

  void classes() {
    const std::size_t shown = std::min(page_.outputs.size(), kMaxRows);
    for (std::size_t k = 0; k < shown; ++k)
      add(output_name(page_, k),
          [k](const PageSplit& split) { return k < split.counts.size() ? count_text(split.counts[k]) : ""; });
    if (shown < page_.outputs.size())
      table_.row("\xE2\x80\xA6 and " + std::to_string(page_.outputs.size() - shown) + " more", {});
  }
  void numbers() {
    for (std::size_t k = 0; k < std::min(page_.outputs.size(), kMaxRows); ++k)
      add(output_name(page_, k) + ": mean \xC2\xB1 deviation", [k](const PageSplit& split) {
        if (k >= split.numbers.size()) return std::string();
        return number_text(split.numbers[k].first) + " \xC2\xB1 " + number_text(split.numbers[k].second);
      });
  }
  void texts() {
    const auto number = [](std::int64_t PageSplit::*member) {
      return [member](const PageSplit& split) { return count_text(split.*member); };
    };
    add("all examples", number(&PageSplit::examples));
    add("median tokens", number(&PageSplit::median));
    add("95 % of the texts up to", number(&PageSplit::percentile_95));
    add("longest", number(&PageSplit::longest));
    if (!page_.splits.empty() && page_.splits.front().windows)
      add("windows", [](const PageSplit& split) { return count_text(*split.windows); });
    else
      add("texts that were cut", [](const PageSplit& split) { return percent(split.cut); });
    add("texts that occur before in the split", number(&PageSplit::repeated));
    add("empty texts", number(&PageSplit::empty));
  }

 private:
  template <class ValueOf>
  void add(const std::string& heading, const ValueOf& value_of) {
    std::vector<std::string> cells;
    for (const PageSplit& split : page_.splits) cells.push_back(value_of(split));
    table_.row(heading, cells);
  }

  const RunPage& page_;
  TableElement& table_;
};

}  // namespace

std::string output_name(const RunPage& page, std::size_t output) {
  return output < page.outputs.size() ? shortened(page.outputs[output], kMaxName) : std::to_string(output);
}

std::string percent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f\xC2\xA0%%", 100 * share);
  return text.data();
}

TableElement::TableElement(Writer& out, const std::string& caption, const std::string& style)
    : out_(out),
      scroll_(out.in("div", {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", caption}})),
      table_(out.in("table", {{"class", style}})) {
  out_.element("caption", caption);
}

void TableElement::head(const std::vector<std::string>& cells) {
  const auto head = out_.in("thead");
  const auto row = out_.in("tr");
  for (const std::string& cell : cells) out_.element("th", {{"scope", "col"}}, cell);
}

void TableElement::row(const std::string& heading, const std::vector<std::string>& cells) {
  const auto row = out_.in("tr");
  out_.element("th", {{"scope", "row"}}, heading);
  for (const std::string& cell : cells) out_.element("td", cell);
}

void write_data(Writer& out, const RunPage& page) {
  const bool fold = !page.numbers && page.outputs.size() > kMaxMatrix;
  if (fold) {
    const auto details = out.in("details");
    out.element("summary", "Examples of each class");
    TableElement table(out, "Examples of each class");
    SplitRows(page, table).classes();
  }
  {
    TableElement table(out, "Examples of each split");
    SplitRows rows(page, table);
    if (page.numbers)
      rows.numbers();
    else if (!fold)
      rows.classes();
    rows.texts();
  }
  for (const std::string& remark : page.data_remarks) out.element("p", {{"class", "warning"}}, remark);
  const auto figures = out.in("div", {{"class", "figures"}});
  write_chart(out, "lengths", lengths_chart(page));
}

void write_settings(Writer& out, const RunPage& page) {
  const auto same = [](const PageOption& option) { return option.value == option.standard; };
  const auto value = [](const std::string& text) { return text.empty() ? "\xE2\x80\x93" : shortened(text, kMaxValue); };
  {
    TableElement table(out, "Options that differ from their defaults", "values");
    table.head({"option", "value", "default"});
    for (const PageOption& option : page.options)
      if (!same(option)) table.row(option.name, {value(option.value), value(option.standard)});
  }
  const auto details = out.in("details");
  out.element("summary", "All other options");
  TableElement table(out, "Options with their default values", "values");
  table.head({"option", "value"});
  for (const PageOption& option : page.options)
    if (same(option)) table.row(option.name, {value(option.value)});
}

void write_environment(Writer& out, const RunPage& page) {
  {
    TableElement table(out, "Program and machine", "values");
    for (const auto& [name, value] : page.environment) table.row(name, {shortened(value, kMaxValue)});
  }
  out.element("h3", "Command line");
  out.element("pre", page.command);
}

}  // namespace attune::html
