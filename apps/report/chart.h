// Charts as SVG: functions of plain data. A chart is drawn whole without a script. The script of the page
// (apps/report/style.h) only shows the value of the mark that is next to the pointer or was reached with the arrow
// keys.
//
// Colours are classes s0 .. s5 that the style defines for light and dark pages. Every series also has its own dashes,
// so that lines can be distinguished without colours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/report/html.h"
#include "apps/report/scale.h"

namespace attune::html {

inline constexpr std::size_t kSeriesStyles = 6;

struct Mark {
  double x, y;
  std::string text = {};  // its value, shown when it is next to the pointer; empty: none
};

struct Series {
  enum class Form : std::uint8_t {
    kLine,
    kFaintLine,  // thin and pale, for values whose mean is another series; not in the legend
    kDots,
    kLineWithDots,
    kBars,     // from 0 up, `bar_width` wide on the x axis, around their x
    kOutline,  // the upper edge of such bars
  };
  std::string name;
  std::vector<Mark> marks = {};  // x rises, but for dots
  Form form = Form::kLine;
  std::size_t style = 0;  // below kSeriesStyles
  double bar_width = 0;
};

/// A line at one x, from the bottom to the top.
struct Upright {
  double x;
  std::string text;
};

struct Chart {
  std::string title;
  std::string note = {};         // a sentence below the title
  std::string description = {};  // for those who do not see it: what it shows
  std::string x_title = {}, y_title = {};
  Scale x = {}, y = {};
  std::vector<Series> series = {};
  std::vector<Mark> stops = {};  // places that have a text, and no mark that is drawn
  std::vector<Upright> uprights = {};
  bool diagonal = false;  // also the line y = x
};

/// Writes a <figure>: caption, drawing, legend. `id` is unique in the page, of letters and digits.
void write_chart(Writer& out, const std::string& id, const Chart& chart);

}  // namespace attune::html
