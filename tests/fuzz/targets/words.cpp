// Texts as a bag of words, and as parts of messages.
#include "tokenizer/words.h"
#include "base/near_word.h"
#include "base/printable.h"
#include "models/linear/word_counts.h"
#include "tests/fuzz/harness.h"

namespace attune::fuzz {

void run(std::string_view input) {
  const std::string shown = printable(input, 40);
  require(!utf8_error(shown) && shown.size() < 200, "printable text is short and UTF-8");
  for (const char c : shown) require(static_cast<unsigned char>(c) >= 0x20 && c != '\x7F', "no control characters");
  (void)near_word(input.substr(0, 12), std::vector<std::string>{"good", "bad", shown.substr(0, 12)});
  const bool valid = !utf8_error(input);
  std::string lowered;
  std::vector<std::string_view> words;
  require(succeeds([&] { split_words(input, lowered, words); }) == valid, "exactly what is not UTF-8 is refused");
  if (!valid) return;
  accepted();
  const std::string lower = python_lower(input);
  require(!utf8_error(lower), "lower case is UTF-8");
  for (const std::string_view word : words) require(word.size() >= 2 && !utf8_error(word), "words are whole");
  const std::vector<std::string> documents = {std::string(input), "good film"};
  const WordCounts counted = count_words(documents, split_words);
  require(count_words(documents, split_words, counted.vocabulary).column_ids == counted.counts.column_ids,
          "a vocabulary knows its own words");
}

}  // namespace attune::fuzz
