#include "apps/support/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <utility>

#include "apps/support/processes.h"
#include "base/check.h"

namespace attune {
namespace {

constexpr int kBarWidth = 24;
constexpr std::chrono::milliseconds kRedraw{100};

}  // namespace

Progress::Progress(std::string label, std::int64_t total, std::int64_t before)
    : label_(std::move(label)),
      total_(total),
      before_(before),
      enabled_(shown()),
      begin_(Clock::now()),
      last_(begin_ - kRedraw) {}

bool Progress::shown() {
  return leads() && isatty(STDERR_FILENO) == 1;
}

Progress::~Progress() {
  clear();
}

void Progress::clear() {
  if (!drawn_) return;
  std::cout.flush();
  std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

bool Progress::due(std::int64_t done) const {
  return enabled_ && (done == total_ || Clock::now() - last_ >= kRedraw);
}

void Progress::update(std::int64_t done, const std::string& detail) {
  if (!due(done)) return;
  const auto now = Clock::now();
  last_ = now;
  drawn_ = true;
  const double elapsed = std::chrono::duration<double>(now - begin_).count();
  std::string line = label_ + " ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    const int filled = static_cast<int>(share * kBarWidth);
    line += "[" + std::string(static_cast<std::size_t>(filled), '#') +
            std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "] ";
    line += str_cat(done, "/", total_);
    if (done > before_ && done < total_)
      line += ", " +
              format_duration(elapsed * static_cast<double>(total_ - done) / static_cast<double>(done - before_)) +
              " left";
  } else {
    line += str_cat(done, ", ", format_duration(elapsed));
  }
  if (!detail.empty()) line += ", " + detail;
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

std::string format_duration(double seconds) {
  const auto total = std::llround(seconds);
  char text[32];
  if (total >= 3600)
    std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
  else
    std::snprintf(text, sizeof(text), "%lld:%02lld", total / 60, total % 60);
  return text;
}

}  // namespace attune
