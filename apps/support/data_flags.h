// The data of a training program on the command line: three files or folders of texts, or one that is split.
#pragma once

#include <string>

#include "apps/support/read_rows.h"

namespace attune {

class CommandLine;

/// The paths of a run's three splits.
struct SplitPaths {
  std::string train, validation, test;
};

struct DataFlags {
  std::string data = ".", train, validation, test;
  TextColumns columns;

  void declare(CommandLine& app);
  /// Throws UsageError if flags are missing, IoError naming the first file that is missing.
  SplitPaths paths() const;
};

}  // namespace attune
