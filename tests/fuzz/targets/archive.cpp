// The archive of the reviews, plain or compressed; and the folder of an extracted one, in which the input is a review.
// None is complete, so all of them end in an error.
#include "apps/support/imdb.h"
#include "base/check.h"
#include "tests/fuzz/harness.h"
#include "tests/fuzz/mutators.h"

namespace attune::fuzz {

void run(std::string_view input) {
  static MemoryFile file;
  static MemoryFolder folder({"test/pos/0_10.txt", "test/neg/0_1.txt", "train/pos/0_9.txt", "train/neg/0_2.txt"});
  if (input.size() < 512) {  // larger ones, as plain archives are, would cost time and be no other review
    folder.put(0, input);
    succeeds([&] { (void)read_imdb_folder(folder.path(), [](std::int64_t, std::int64_t) {}); });
  }
  file.replace(input);
  try {
    (void)read_imdb_archive(file.path(), [](std::int64_t, std::int64_t) {}, {.bytes = 1 << 20, .members = 100});
  } catch (const Error& error) {
    if (std::string_view(error.what()).find("reviews in aclImdb/") != std::string_view::npos) accepted();  // all read
  }
}

}  // namespace attune::fuzz

ATTUNE_FUZZ_PARTS(kTar)
