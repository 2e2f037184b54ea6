#include "apps/report/run_page.h"

#include "apps/report/sections.h"
#include "apps/report/style.h"

namespace attune {
namespace {

using html::Writer;

void write_header(Writer& out, const RunPage& page) {
  const auto header = out.in("header");
  out.element("h1", html::shortened(page.title, html::kMaxName * 2));
  out.element("p", {{"class", "pale"}}, html::shortened(page.subtitle, html::kMaxValue));
  for (const std::string& remark : page.remarks) out.element("p", {{"class", "warning"}}, remark);
  if (page.tiles.empty()) return;
  const auto list = out.in("ul", {{"class", "tiles"}});
  for (const auto& [value, words] : page.tiles) {
    const auto item = out.in("li");
    out.element("b", value);
    out.element("span", words);
  }
}

struct Section {
  const char* id;
  const char* title;
  bool shown;
  void (*write)(Writer& out, const RunPage& page);
};

}  // namespace

std::string run_page(const RunPage& page) {
  const Section sections[] = {
      {"measures", "Measures", html::has_measures(page), html::write_measures},
      {"curves", "Curves", html::has_curves(page), html::write_curves},
      {"predictions", "Predictions for the test split", html::has_predictions(page), html::write_predictions},
      {"mistakes", "Worst mistakes", html::has_mistakes(page), html::write_mistakes},
      {"data", "Data", true, html::write_data},
      {"settings", "Settings", true, html::write_settings},
      {"environment", "Environment", true, html::write_environment}};
  Writer out;
  {
    const auto document = out.in("html", {{"lang", "en"}});
    {
      const auto head = out.in("head");
      out.empty("meta", {{"charset", "utf-8"}});
      out.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
      out.empty("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
      out.element("title", html::shortened(page.title, html::kMaxName * 2));
      out.style(html::page_style());
    }
    const auto body = out.in("body");
    out.element("a", {{"class", "skip"}, {"href", "#main"}}, "Skip to the results");
    write_header(out, page);
    {
      const auto nav = out.in("nav", {{"aria-label", "Sections"}});
      const auto list = out.in("ul");
      for (const Section& section : sections)
        if (section.shown) {
          const auto item = out.in("li");
          out.element("a", {{"href", std::string("#") + section.id}}, section.title);
        }
    }
    {
      const auto content = out.in("main", {{"id", "main"}});
      for (const Section& section : sections)
        if (section.shown) {
          const std::string id = section.id, heading = id + "-title";
          const auto element = out.in("section", {{"id", id}, {"aria-labelledby", heading}});
          out.element("h2", {{"id", heading}}, section.title);
          section.write(out, page);
        }
    }
    out.element("footer", "Written by attune. This file needs no network and no other file.");
    out.script(html::page_script());
  }
  return out.take();
}

}  // namespace attune
