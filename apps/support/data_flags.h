// The data of a training program on the command line: three files or folders of texts, or one that is split.
#pragma once

#include <cstdint>
#include <string>

#include "apps/support/row_split.h"

namespace attune {

class CommandLine;

struct DataFlags {
  std::string data = ".", train, validation, test, split, split_output;
  TextColumns columns;

  void declare(CommandLine& app);
  /// The rows of the three splits. Prints a line if a file is split. Throws UsageError if the shares are wrong, IoError
  /// naming the first file that is missing.
  SplitSources sources(std::uint64_t seed) const;

 private:
  SplitShares shares() const;
};

}  // namespace attune
