// The three CSV files of the real reviews, made once per build tree from $ATTUNE_DATA/imdb and shared by all tests.
#pragma once

#include <filesystem>

namespace attune::testing {

/// Folder with train.csv, validation.csv and test.csv. Made on the first call of any test process; the others wait for
/// it. Throws where the archive is missing or damaged.
std::filesystem::path imdb_csvs(const std::filesystem::path& data);

}  // namespace attune::testing
