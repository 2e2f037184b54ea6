#include "tests/support/imdb.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <stdexcept>

#include "apps/support/imdb.h"

namespace attune::testing {

std::filesystem::path imdb_csvs(const std::filesystem::path& data) {
  const std::filesystem::path folder = ATTUNE_TEST_CACHE;
  std::filesystem::create_directories(folder);
  const int lock = open((folder / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (lock < 0 || flock(lock, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + folder.string());
  try {
    // test.csv is put in place last, so its presence means that all three are there.
    if (!std::filesystem::exists(folder / "test.csv"))
      write_imdb_splits(
          read_imdb_archive((data / "imdb" / "aclImdb_labeled.tar.xz").string(), [](std::int64_t, std::int64_t) {}),
          folder.string());
  } catch (...) {
    close(lock);
    throw;
  }
  close(lock);
  return folder;
}

}  // namespace attune::testing
