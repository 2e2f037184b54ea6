#include "tests/support/data.h"

#include <stdlib.h>

#include <stdexcept>

namespace attune::testing {

std::optional<std::filesystem::path> data_dir() {
  const char* folder = std::getenv("ATTUNE_DATA");
  if (folder == nullptr || *folder == '\0') return std::nullopt;
  if (!std::filesystem::is_directory(folder))
    throw std::runtime_error(std::string("ATTUNE_DATA names no folder: ") + folder);
  return std::filesystem::path(folder);
}

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "attune-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create a temporary folder");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace attune::testing
