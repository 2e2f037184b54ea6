// Where the real data of the tests lies: the folder named by the environment variable ATTUNE_DATA.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

namespace attune::testing {

/// The folder named by ATTUNE_DATA; empty where it is not set.
std::optional<std::filesystem::path> data_dir();

/// A fresh folder for this test's files, removed when the object dies.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace attune::testing

/// Leaves the test as skipped, naming ATTUNE_DATA, unless the real data is there; otherwise `var` is its folder.
// NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared
#define ATTUNE_DATA_OR_SKIP(var)                                                           \
  const auto var##_folder = ::attune::testing::data_dir();                                 \
  if (!var##_folder) GTEST_SKIP() << "needs the real data: set ATTUNE_DATA to its folder"; \
  [[maybe_unused]] const std::filesystem::path& var = *var##_folder
// NOLINTEND(bugprone-macro-parentheses)
