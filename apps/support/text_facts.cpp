#include "apps/support/text_facts.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "base/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t kTextsPerPiece = 1024;
constexpr std::int64_t kCut = 1, kEmpty = 2;
constexpr int kFlags = 2;

// A bijection of the 64-bit numbers.
std::uint64_t mixed(std::uint64_t x) {
  x *= 0x9E3779B97F4A7C15;
  return x ^ x >> 32;
}

std::uint64_t hash_of(std::string_view text, std::uint64_t begin) {
  std::uint64_t out = mixed(begin + text.size() + 1);
  while (!text.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = std::min(text.size(), sizeof word);
    std::memcpy(&word, text.data(), n);
    out = mixed(out ^ word);
    text.remove_prefix(n);
  }
  return mixed(out);
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

// Of marks, which become sorted hashes.
TextFacts facts_of_marks(std::vector<std::int64_t> marks) {
  TextFacts out;
  out.empty = std::ranges::count_if(marks, [](std::int64_t mark) { return (mark & kEmpty) != 0; });
  for (std::int64_t& mark : marks) mark >>= kFlags;
  std::ranges::sort(marks);
  out.hashes = std::move(marks);
  return out;
}

// Lengths, from the number of examples of each.
TokenLengths lengths_of(const std::vector<std::int64_t>& counts, std::int64_t texts, std::int64_t cut) {
  const auto percentile = [&](std::int64_t percent) {
    std::int64_t rank = ceil_div(percent * texts, std::int64_t{100}), length = 0;
    while ((rank -= counts[static_cast<std::size_t>(length)]) > 0) ++length;
    return length;
  };
  return {percentile(50), percentile(95), std::ssize(counts) - 1,
          static_cast<double>(cut) / static_cast<double>(texts)};
}

}  // namespace

std::int64_t text_mark(std::string_view text, std::string_view pair, bool cut) {
  const std::uint64_t hash = hash_of(pair, hash_of(text, 0));
  return static_cast<std::int64_t>(hash << kFlags) | (is_blank(text) && is_blank(pair) ? kEmpty : 0) | (cut ? kCut : 0);
}

bool same_text(std::int64_t mark, std::int64_t other) {
  return mark >> kFlags == other >> kFlags;
}

TextFacts facts_of(const Dataset& split) {
  CHECK(split.size() > 0 && split.marks.defined(), split.name, ": there are no texts to describe");
  const auto marks = split.marks.values<std::int64_t>();
  std::vector<std::int64_t> counts;
  for (std::int64_t e = 0; e < split.size(); ++e) {
    const auto length = static_cast<std::size_t>(split.length(e));
    counts.resize(std::max(counts.size(), length + 1));
    ++counts[length];
  }
  TextFacts out = facts_of_marks({marks.begin(), marks.end()});
  const auto cut = std::ranges::count_if(marks, [](std::int64_t mark) { return (mark & kCut) != 0; });
  out.lengths = lengths_of(counts, split.size(), cut);
  if (split.windows.defined()) out.lengths->windows = split.window_count();
  return out;
}

TextFacts facts_of(std::span<const std::string> texts) {
  std::vector<std::int64_t> marks(texts.size());
  parallel_for(std::ssize(marks), kTextsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      marks[i] = text_mark(texts[i], "", false);
  });
  return facts_of_marks(std::move(marks));
}

std::int64_t repeated(const TextFacts& split) {
  std::int64_t out = 0;
  for (std::size_t i = 1; i < split.hashes.size(); ++i) out += split.hashes[i] == split.hashes[i - 1] ? 1 : 0;
  return out;
}

std::int64_t shared(const TextFacts& split, const TextFacts& other) {
  std::int64_t out = 0;
  auto there = other.hashes.begin();
  for (const std::int64_t hash : split.hashes) {
    while (there != other.hashes.end() && *there < hash) ++there;
    out += there != other.hashes.end() && *there == hash ? 1 : 0;
  }
  return out;
}

}  // namespace attune
