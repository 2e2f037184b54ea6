// tokenizer.json with a BPE or a WordPiece model.
#include "tokenizer/tokenizer_json.h"
#include "tests/fuzz/mutators.h"
#include "tests/fuzz/tokenizer_checks.h"

namespace attune::fuzz {

void run(std::string_view input) {
  const Pipeline tokenizer(read_tokenizer_json(json::parse(input, "tokenizer.json")));
  accepted();
  check_tokenizer(tokenizer);
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson)
