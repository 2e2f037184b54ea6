#include "apps/support/texts_again.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "apps/support/text_facts.h"

namespace attune {
namespace {

class FewTexts : public TextSink {
 public:
  void add(std::size_t part, std::string_view text, std::string_view pair) override {
    parts_[part].push_back({std::string(text), std::string(pair)});
  }
  void take(std::size_t part) override {
    std::ranges::move(parts_[part], std::back_inserter(all_));
    parts_[part].clear();
  }
  std::vector<TextAndPair>& all() { return all_; }

 private:
  std::array<std::vector<TextAndPair>, kParts> parts_;
  std::vector<TextAndPair> all_;
};

constexpr std::uint8_t kOther = 0, kWanted = 1;

// Which rows of the file are wanted, up to the last one.
std::vector<std::uint8_t> wanted_rows(const RowChoice& split, std::span<const std::int64_t> rows) {
  std::vector<std::uint8_t> out;
  const std::int64_t last = *std::ranges::max_element(rows);
  std::vector<std::size_t> places;  // in the file, of the rows of the split
  for (std::size_t place = 0; std::ssize(places) <= last; ++place) {
    if (!split.parts.empty() && place >= split.parts.size()) return {};
    if (split.parts.empty() || split.parts[place] == split.part) places.push_back(place);
  }
  out.assign(places.back() + 1, kOther);
  for (const std::int64_t row : rows) out[places[static_cast<std::size_t>(row)]] = kWanted;
  return out;
}

}  // namespace

std::vector<std::optional<TextAndPair>> read_texts_again(const RowChoice& source, const TextColumns& columns,
                                                         const Dataset& split, std::span<const std::int64_t> rows) {
  std::vector<std::optional<TextAndPair>> out(rows.size());
  if (rows.empty() || !split.marks.defined()) return out;
  std::vector<std::int64_t> sorted(rows.begin(), rows.end());
  std::ranges::sort(sorted);
  const std::vector<std::uint8_t> wanted = wanted_rows(source, sorted);
  if (wanted.empty()) return out;
  FewTexts texts;
  read_rows({.path = source.path, .max_rows = std::ssize(rows), .parts = wanted, .part = kWanted}, columns, nullptr,
            texts);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto place = static_cast<std::size_t>(std::ranges::lower_bound(sorted, rows[i]) - sorted.begin());
    if (place >= texts.all().size()) continue;
    const TextAndPair& found = texts.all()[place];
    const std::int64_t mark = split.marks.values<std::int64_t>()[static_cast<std::size_t>(rows[i])];
    if (same_text(text_mark(found.text, found.pair, false), mark)) out[i] = found;
  }
  return out;
}

}  // namespace attune
