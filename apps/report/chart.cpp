#include "apps/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"

namespace attune::html {
namespace {

// The drawing, in units that are about pixels on a phone, so that its texts are readable there.
constexpr double kWidth = 380, kHeight = 250, kLeft = 48, kRight = 12, kTop = 20, kBottom = 44;
constexpr double kLetter = 6.8;  // the width of one, about
constexpr std::array<const char*, kSeriesStyles> kClasses = {"s0", "s1", "s2", "s3", "s4", "s5"};

// A coordinate with one decimal.
std::string at(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  std::string out = text.data();
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out == "-0" ? "0" : out;
}

class Drawing {
 public:
  Drawing(Writer& out, const Chart& chart) : out_(out), chart_(chart) {
    for (const double tick : chart.y.ticks)
      left_ = std::max(left_, kLetter * static_cast<double>(tick_text(chart.y, tick).size()) + 10);
  }

  void draw() {
    axes();
    const auto clip = out_.in("g", {{"class", "data"}});
    for (const Series& series : chart_.series) draw(series);
    for (const Upright& line : chart_.uprights) draw(line);
  }

  // A line for each mark with a text: its place, and the text.
  std::string stops() const {
    std::string out;
    const auto add = [&](const Mark& mark) {
      if (mark.text.empty()) return;
      std::string text = mark.text;
      std::ranges::replace(text, '\n', ' ');
      out += (out.empty() ? "" : "\n") + at(px(mark.x)) + " " + at(py(mark.y)) + " " + text;
    };
    for (const Series& series : chart_.series) std::ranges::for_each(series.marks, add);
    std::ranges::for_each(chart_.stops, add);
    return out;
  }

 private:
  double px(double x) const { return left_ + chart_.x.place(x) * (kWidth - left_ - kRight); }
  double py(double y) const { return kHeight - kBottom - chart_.y.place(y) * (kHeight - kTop - kBottom); }
  std::string point(double x, double y) const { return at(px(x)) + " " + at(py(y)); }

  void line(const char* style, double x0, double y0, double x1, double y1) {
    out_.empty("path", {{"class", style}, {"d", "M" + at(x0) + " " + at(y0) + "L" + at(x1) + " " + at(y1)}});
  }
  void text(const char* style, double x, double y, const std::string& words) {
    out_.element("text", {{"class", style}, {"x", at(x)}, {"y", at(y)}}, words);
  }

  void axes() {
    const double bottom = kHeight - kBottom, right = kWidth - kRight;
    for (const double tick : chart_.y.ticks) {
      line("grid", left_, py(tick), right, py(tick));
      text("ty", left_ - 6, py(tick) + 4, tick_text(chart_.y, tick));
    }
    double free_from = 0;  // texts of ticks do not overlap
    for (const double tick : chart_.x.ticks) {
      const std::string words = tick_text(chart_.x, tick);
      const double half = kLetter / 2 * static_cast<double>(words.size());
      line("axis", px(tick), bottom, px(tick), bottom + 4);
      if (px(tick) - half < free_from) continue;
      text("tx", std::min(px(tick), kWidth - half), bottom + 17, words);
      free_from = px(tick) + half + 6;
    }
    line("axis", left_, bottom, right, bottom);
    text("tx", (left_ + right) / 2, kHeight - 6, chart_.x_title);
    if (chart_.diagonal) {
      const double from = std::max(chart_.x.min, chart_.y.min), to = std::min(chart_.x.max, chart_.y.max);
      if (from < to) line("diagonal", px(from), py(from), px(to), py(to));
    }
  }

  void draw(const Series& series) {
    const char* style = kClasses.at(series.style);
    const auto group = out_.in("g", {{"class", style}});
    const Series::Form form = series.form;
    if (form == Series::Form::kBars || form == Series::Form::kOutline) return draw_bars(series);
    const bool dots = form == Series::Form::kDots || form == Series::Form::kLineWithDots || series.marks.size() == 1;
    if (form != Series::Form::kDots && series.marks.size() > 1) {
      std::string path;
      for (const Mark& mark : series.marks) path += (path.empty() ? "M" : "L") + point(mark.x, mark.y);
      out_.empty("path", {{"class", form == Series::Form::kFaintLine ? "faint" : "line"}, {"d", path}});
    }
    if (!dots) return;
    // All dots are one path: a line without length and with round ends is a dot.
    std::string path;
    for (const Mark& mark : series.marks) path += "M" + point(mark.x, mark.y) + "h0";
    out_.empty("path", {{"class", form == Series::Form::kDots ? "dots" : "large dots"}, {"d", path}});
  }

  void draw_bars(const Series& series) {
    const bool outline = series.form == Series::Form::kOutline;
    std::string path;
    double right = std::nan("");
    for (const Mark& mark : series.marks) {
      const std::string from = at(px(mark.x - series.bar_width / 2)), to = at(px(mark.x + series.bar_width / 2));
      const std::string top = at(py(mark.y)), bottom = at(py(std::max(0.0, chart_.y.min)));
      if (outline)
        path += (path.empty() ? "M" + from + " " + bottom : "") + "L" + from + " " + top + "L" + to + " " + top;
      else if (mark.y > 0)
        path += "M" + from + " " + bottom + "V" + top + "H" + to + "V" + bottom + "Z";
      right = mark.x + series.bar_width / 2;
    }
    if (outline && !path.empty()) path += "L" + point(right, std::max(0.0, chart_.y.min));
    if (!path.empty()) out_.empty("path", {{"class", outline ? "line" : "bars"}, {"d", path}});
  }

  void draw(const Upright& upright) {
    if (upright.x < chart_.x.min || upright.x > chart_.x.max) return;
    const double x = px(upright.x);
    line("upright", x, kTop, x, kHeight - kBottom);
    // Above the drawing, where no line is.
    const double half = kLetter / 2 * static_cast<double>(upright.text.size());
    text("tu", std::clamp(x, half, kWidth - half), kTop - 7, upright.text);
  }

  Writer& out_;
  const Chart& chart_;
  double left_ = kLeft;  // room for the texts of the ticks
};

// The names of the series, each with a piece of its line.
void write_legend(Writer& out, const Chart& chart) {
  const auto named = [](const Series& series) { return series.form != Series::Form::kFaintLine; };
  if (std::ranges::count_if(chart.series, named) < 2) return;
  const auto list = out.in("ul", {{"class", "legend"}});
  for (const Series& series : chart.series) {
    if (!named(series)) continue;
    const auto item = out.in("li");
    {
      const auto sample =
          out.in("svg", {{"viewBox", "0 0 30 12"}, {"class", kClasses.at(series.style)}, {"aria-hidden", "true"}});
      if (series.form == Series::Form::kBars)
        out.empty("path", {{"class", "bars"}, {"d", "M6 11V1H24V11Z"}});
      else if (series.form == Series::Form::kDots)
        out.empty("path", {{"class", "large dots"}, {"d", "M15 6h0"}});
      else
        out.empty("path", {{"class", "line"}, {"d", "M1 6L29 6"}});
    }
    out.element("bdi", series.name);
  }
}

}  // namespace

void write_chart(Writer& out, const std::string& id, const Chart& chart) {
  const auto figure = out.in("figure", {{"id", id}});
  {
    const auto caption = out.in("figcaption");
    out.element("h3", chart.title);
    if (!chart.note.empty()) out.element("p", {{"class", "note"}}, chart.note);
  }
  out.element("p", {{"class", "axis-title"}}, chart.y_title);
  Drawing drawing(out, chart);
  {
    const auto plot = out.in("div", {{"class", "plot"}, {"data-stops", drawing.stops()}});
    const auto svg = out.in("svg", {{"viewBox", "0 0 " + at(kWidth) + " " + at(kHeight)},
                                    {"role", "img"},
                                    {"aria-label", chart.title + ". " + chart.description}});
    drawing.draw();
  }
  write_legend(out, chart);
}

}  // namespace attune::html
