// The sections of the page of a run, in the order of the page. run_page() leaves out those that have nothing to show.
#pragma once

#include <string>

#include "apps/report/html.h"
#include "apps/report/run_page.h"

namespace attune::html {

inline constexpr std::size_t kMaxName = 60, kMaxRows = 200, kMaxMatrix = 20, kMaxValue = 400;

void write_measures(Writer& out, const RunPage& page);
void write_curves(Writer& out, const RunPage& page);
void write_predictions(Writer& out, const RunPage& page);
void write_mistakes(Writer& out, const RunPage& page);
void write_data(Writer& out, const RunPage& page);
void write_settings(Writer& out, const RunPage& page);
void write_environment(Writer& out, const RunPage& page);

/// Whether a section has something to show. Without it the section must not be written.
bool has_measures(const RunPage& page);
bool has_curves(const RunPage& page);
bool has_predictions(const RunPage& page);
bool has_mistakes(const RunPage& page);

/// The name of an output, not too long.
std::string output_name(const RunPage& page, std::size_t output);
/// "98.1 %".
std::string percent(double share);

/// A table that scrolls inside of the page if it is wide: opened with its caption.
class TableElement {
 public:
  TableElement(Writer& out, const std::string& caption, const std::string& style = "");
  /// The first row, in which every cell is a heading.
  void head(const std::vector<std::string>& cells);
  /// A row below it: a heading and its values.
  void row(const std::string& heading, const std::vector<std::string>& cells);

 private:
  Writer& out_;
  Writer::Element scroll_, table_;
};

}  // namespace attune::html
