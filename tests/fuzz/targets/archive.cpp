// The archive of the reviews, plain or compressed. None is complete, so all of them end in an error.
#include "apps/support/imdb.h"
#include "base/check.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFile file;
  file.replace(input);
  try {
    (void)read_imdb_archive(file.path(), [](std::int64_t, std::int64_t) {}, {.bytes = 1 << 20, .members = 100});
  } catch (const Error& error) {
    if (std::string_view(error.what()).find("reviews in aclImdb/") != std::string_view::npos) accepted();  // all read
  }
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kTar)
