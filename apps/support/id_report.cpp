#include "apps/support/id_report.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iomanip>
#include <numeric>

#include "base/check.h"
#include "base/math.h"

namespace attune {

static_assert(std::endian::native == std::endian::little, "the digest hashes ids as they lie in memory");

void IdDigest::add(std::span<const std::int32_t> ids) {
  const auto count = narrow<std::uint32_t>(ids.size());
  sha256_.update(std::as_bytes(std::span(&count, 1)));
  sha256_.update(std::as_bytes(ids));
}

std::int64_t LengthReport::total() const {
  return std::accumulate(lengths_.begin(), lengths_.end(), std::int64_t{0});
}

std::int64_t LengthReport::longest() const {
  return lengths_.empty() ? 0 : *std::max_element(lengths_.begin(), lengths_.end());
}

double LengthReport::mean() const {
  return lengths_.empty() ? 0 : static_cast<double>(total()) / static_cast<double>(rows());
}

double LengthReport::share_over(std::int64_t limit) const {
  const auto over = std::count_if(lengths_.begin(), lengths_.end(), [limit](std::int64_t n) { return n > limit; });
  return lengths_.empty() ? 0 : static_cast<double>(over) / static_cast<double>(rows());
}

std::int64_t LengthReport::percentile(double percent) const {
  CHECK(!lengths_.empty(), "percentiles need at least one row");
  std::vector<std::int64_t> sorted = lengths_;
  const auto rank = static_cast<std::int64_t>(std::ceil(percent / 100 * static_cast<double>(rows())));
  const auto place = sorted.begin() + std::clamp<std::int64_t>(rank - 1, 0, rows() - 1);
  std::nth_element(sorted.begin(), place, sorted.end());
  return *place;
}

void LengthReport::print(std::ostream& out) const {
  constexpr std::int64_t kBins = 20, kBarWidth = 60;
  out << std::fixed << "rows " << rows() << ", ids " << total() << ", mean length " << std::setprecision(3) << mean()
      << "\n";
  if (lengths_.empty()) return;
  out << "percentiles:";
  for (const double percent : {0.0, 5.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 100.0})
    out << "  " << std::setprecision(0) << percent << " %: " << percentile(percent);
  out << "\nlonger than:";
  for (const std::int64_t limit : {128, 256, 512, 1024, 8192})
    out << "  " << limit << ": " << std::setprecision(3) << 100 * share_over(limit) << " %";
  out << "\n";
  const std::int64_t width = longest() / kBins + 1;
  std::vector<std::int64_t> bins(static_cast<std::size_t>(longest() / width + 1));
  for (const std::int64_t length : lengths_) ++bins[static_cast<std::size_t>(length / width)];
  const std::int64_t most = *std::max_element(bins.begin(), bins.end());
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const std::int64_t from = static_cast<std::int64_t>(i) * width;
    out << std::setw(7) << from << " - " << std::setw(6) << from + width - 1 << std::setw(9) << bins[i] << "  "
        << std::string(static_cast<std::size_t>(bins[i] * kBarWidth / most), '#') << "\n";
  }
}

}  // namespace attune
