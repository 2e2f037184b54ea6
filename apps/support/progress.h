// A one-line progress bar on a terminal; silent if standard error is not a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace attune {

class Progress {
 public:
  /// A bar over `total` units of work (0: unknown); `before` of them are already done. The line starts with `label`.
  Progress(std::string label, std::int64_t total, std::int64_t before = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether a bar is seen: standard error is a terminal, and this process prints.
  static bool shown();

  /// Shows that `done` units are done, followed by `detail`; redraws at most ten times a second.
  void update(std::int64_t done, const std::string& detail = "");
  /// Whether update(done) would draw now: a detail that takes time to find need not be found otherwise.
  bool due(std::int64_t done) const;
  /// Removes the bar, so that a log line can be printed in its place; the next update draws it again.
  void clear();

 private:
  std::string label_;
  std::int64_t total_, before_;
  bool enabled_, drawn_ = false;
  Clock::time_point begin_, last_;
};

/// "1:05", "2:03:04".
std::string format_duration(double seconds);

}  // namespace attune
