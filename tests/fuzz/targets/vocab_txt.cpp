// WordPiece from vocab.txt. Input: tokenizer_config.json, vocab.txt.
#include "tests/fuzz/mutators.h"
#include "tests/fuzz/tokenizer_checks.h"
#include "tokenizer/wordpiece_files.h"

namespace attune::fuzz {

void run(std::string_view input) {
  const auto parts = parts_of(input, 2);
  TokenizerConfig config;
  if (!parts[0].empty()) config = TokenizerConfig(json::parse(parts[0], "tokenizer_config.json"));
  const Pipeline tokenizer(read_wordpiece(parts[1], "vocab.txt", config));
  accepted();
  check_tokenizer(tokenizer);
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson, kText)
