// The word of a list that a mistyped one is near to, for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace attune {

/// The word with the fewest edits from `text` (bytes inserted, removed or replaced, or two that follow each other
/// swapped), the first of several; null if more than a third of `text` is otherwise.
const std::string* near_word(std::string_view text, std::span<const std::string> words);

/// "; did you mean 'WORD'?" with near_word(), as printable() shows it; else "".
std::string did_you_mean(std::string_view text, std::span<const std::string> words);

}  // namespace attune
