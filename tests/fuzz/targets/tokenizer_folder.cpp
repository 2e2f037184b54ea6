// The folder of a tokenizer: which files are there, and how they fit. Input: tokenizer_config.json, tokenizer.json,
// vocab.json, merges.txt, vocab.txt; an empty one is missing.
#include "tests/fuzz/mutators.h"
#include "tests/fuzz/tokenizer_checks.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFolder folder({"tokenizer_config.json", "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt"});
  const auto parts = parts_of(input, 5);
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (parts[i].empty())
      folder.take_out(i);
    else
      folder.put(i, parts[i]);
  const auto tokenizer = load_tokenizer(folder.path());
  accepted();
  check_tokenizer(*tokenizer);
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson, kJson, kJson, kText, kText)
