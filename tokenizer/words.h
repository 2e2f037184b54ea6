// Words in the sense of scikit-learn's CountVectorizer: Python's str.lower(), then every run of at least two \w code
// points.
//
// \w is every code point that is alphanumeric in Python 3.11 (Unicode 14.0), and the underscore: letters, digits, code
// points with a numeric value. Combining marks are not in \w, and cut a word. Lower case is the full mapping: U+0130
// becomes two code points, and a capital sigma at the end of a word becomes U+03C2 (Unicode standard, section 3.13,
// Final_Sigma).
//
// Reference: scikit-learn, feature_extraction/text.py, token_pattern (?u)\b\w\w+\b; CPython, Objects/unicodeobject.c.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// Python's text.lower(). Throws Error on text that is not valid UTF-8, naming the byte offset.
std::string python_lower(std::string_view text);

/// Replaces `words` by the words of `text`, in order. They point into `lowered`, which is overwritten (both are the
/// caller's so that a loop over many texts allocates nothing). Throws Error on text that is not valid UTF-8.
void split_words(std::string_view text, std::string& lowered, std::vector<std::string_view>& words);

}  // namespace attune
