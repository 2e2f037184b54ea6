// Texts of JSON lines, and of the lines of standard input.
#include "apps/support/text_source.h"
#include "base/utf8.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFile file;
  file.replace(input);
  file.be_standard_input();
  succeeds([] {
    TextSource source = TextSource::from_lines();
    for (auto texts = source.next(2); !texts.empty(); texts = source.next(2))
      for (const std::string& text : texts) require(!utf8_error(text), "texts are UTF-8");
  });
  TextSource source = TextSource::from_jsonl(file.path(), "text");
  for (auto texts = source.next(2); !texts.empty(); texts = source.next(2)) {
    for (const std::string& text : texts) require(!utf8_error(text), "texts are UTF-8");
    accepted();
  }
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kJson)
