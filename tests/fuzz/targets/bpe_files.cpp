// Byte-level BPE from its two files. Input: tokenizer_config.json, vocab.json, merges.txt.
#include "tokenizer/bpe_files.h"
#include "tests/fuzz/mutators.h"
#include "tests/fuzz/tokenizer_checks.h"

namespace attune::fuzz {

void run(std::string_view input) {
  const auto parts = parts_of(input, 3);
  TokenizerConfig config;
  if (!parts[0].empty()) config = TokenizerConfig(json::parse(parts[0], "tokenizer_config.json"));
  const Pipeline tokenizer(read_bpe_parts(json::parse(parts[1], "vocab.json"), parts[2], "merges.txt", config));
  accepted();
  check_tokenizer(tokenizer);
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson, kJson, kText)
