#include "engine/io/temporary_names.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>

namespace attune {
namespace {

constexpr std::array<std::string_view, 4> kMarks = {".attune-temporary-", ".attune-old-", ".attune-old-key-",
                                                    ".attune-replaced-key-"};
constexpr std::size_t kLetters = 6;

}  // namespace

std::string marked_path(const std::string& path, Mark mark) {
  std::string out = path;
  out += kMarks[static_cast<std::size_t>(mark)];
  std::random_device random;
  for (std::size_t i = 0; i < kLetters; ++i) out += static_cast<char>('a' + random() % 26);
  return out;
}

std::optional<MarkedName> parse_marked_name(std::string_view name) {
  if (name.size() < kLetters) return std::nullopt;
  const std::string_view letters = name.substr(name.size() - kLetters);
  name.remove_suffix(kLetters);
  if (!std::ranges::all_of(letters, [](char c) { return c >= 'a' && c <= 'z'; })) return std::nullopt;
  for (std::size_t i = 0; i < kMarks.size(); ++i)
    if (name.size() > kMarks[i].size() && name.ends_with(kMarks[i]))
      return MarkedName{std::string(name.substr(0, name.size() - kMarks[i].size())), static_cast<Mark>(i)};
  return std::nullopt;
}

}  // namespace attune
