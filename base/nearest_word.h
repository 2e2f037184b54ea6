// The word of a list that a mistyped one is nearest to, for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace attune {

/// The word with the smallest edit distance to `text` (bytes inserted, removed or replaced); the first of several.
/// `words` must not be empty.
const std::string& nearest_word(std::string_view text, std::span<const std::string> words);

/// "; did you mean WORD?" with the nearest word, if at most a third of `text` is otherwise; else "".
std::string did_you_mean(std::string_view text, std::span<const std::string> words);

}  // namespace attune
