#include "base/torch_random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <locale>
#include <numbers>
#include <numeric>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"

namespace attune {
namespace {

constexpr std::size_t kNormalBlock = 16;       // PyTorch fills float normals in blocks of 16: 8 cosines, then 8 sines
constexpr std::int64_t kBlocksPerPiece = 512;  // in one piece of a parallel loop

// A uniform of 24 bits in [0, 1).
float unit_float(std::uint32_t bits) {
  return static_cast<float>(bits & 0xFFFFFFu) * 0x1p-24f;
}

// Turns a block of uniforms into normals in place.
void box_muller_block(float* x, float mean, float stddev) {
  for (std::size_t j = 0; j < kNormalBlock / 2; ++j) {
    const float u1 = 1.0f - x[j];
    const float u2 = x[j + 8];
    const float radius = std::sqrt(-2.0f * std::log(u1));
    const float theta = 2.0f * std::numbers::pi_v<float> * u2;
    x[j] = std::fma(radius * std::cos(theta), stddev, mean);
    x[j + 8] = std::fma(radius * std::sin(theta), stddev, mean);
  }
}

// As normal_ for at least 16 elements: words are drawn in order, and all threads turn them into normals. Only blocks for
// which needed(their first index) is true are turned; the others hold anything afterwards.
template <class Needed>
void draw_normals(TorchGenerator& generator, std::span<float> out, float mean, float stddev, Needed needed) {
  for (float& x : out) x = unit_float(generator.random32());
  parallel_for(static_cast<std::int64_t>(out.size() / kNormalBlock), kBlocksPerPiece,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t block = begin; block < end; ++block) {
                   const std::size_t first = static_cast<std::size_t>(block) * kNormalBlock;
                   if (needed(first)) box_muller_block(out.data() + first, mean, stddev);
                 }
               });
  if (out.size() % kNormalBlock == 0) return;
  float* tail = out.data() + out.size() - kNormalBlock;
  for (std::size_t j = 0; j < kNormalBlock; ++j) tail[j] = unit_float(generator.random32());
  box_muller_block(tail, mean, stddev);
}

}  // namespace

std::int64_t TorchGenerator::random_int64() {
  const std::uint64_t high = random32();
  const std::uint64_t bits = (high << 32) | random32();
  return static_cast<std::int64_t>(bits & 0x7FFFFFFFFFFFFFFFull);
}

void TorchGenerator::uniform(std::span<float> out, float low, float high) {
  for (float& x : out) x = std::fma(unit_float(random32()), high - low, low);
}

void TorchGenerator::normal(std::span<float> out, float mean, float stddev) {
  if (out.size() >= kNormalBlock) {
    draw_normals(*this, out, mean, stddev, [](std::size_t) { return true; });
    return;
  }
  for (float& x : out) {
    double sample;
    if (has_cached_normal_) {
      has_cached_normal_ = false;
      sample = cached_normal_;
    } else {
      const auto unit_double = [this] {
        const std::uint64_t high = random32();
        const std::uint64_t bits = (high << 32) | random32();
        return static_cast<double>(bits & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
      };
      const double u1 = unit_double();
      const double u2 = unit_double();
      const double radius = std::sqrt(-2.0 * std::log1p(-u2));
      const double theta = 2.0 * std::numbers::pi * u1;
      cached_normal_ = radius * std::sin(theta);
      has_cached_normal_ = true;
      sample = radius * std::cos(theta);
    }
    x = static_cast<float>(sample * static_cast<double>(stddev) + static_cast<double>(mean));
  }
}

void TorchGenerator::trunc_normal(std::span<float> out, float stddev) {
  const float cut = 2.0f * stddev;
  const auto outside = [cut](float x) { return x < -cut || x > cut; };
  normal(out, 0.0f, stddev);
  std::vector<float> redrawn(out.size());
  while (std::any_of(out.begin(), out.end(), outside)) {
    if (out.size() >= kNormalBlock)
      draw_normals(*this, redrawn, 0.0f, stddev, [&](std::size_t first) {
        return std::any_of(out.data() + first, out.data() + first + kNormalBlock, outside);
      });
    else
      normal(redrawn, 0.0f, stddev);
    for (std::size_t i = 0; i < out.size(); ++i)
      if (outside(out[i])) out[i] = redrawn[i];
  }
}

std::vector<std::int32_t> TorchGenerator::permutation(std::int32_t n) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int32_t i = 0; i + 1 < n; ++i) {
    const auto offset = random32() % static_cast<std::uint32_t>(n - i);
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(i) + offset]);
  }
  return order;
}

std::string TorchGenerator::state() const {
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // without memory a stream would cut the text without a word
  out.imbue(std::locale::classic());
  out << engine_ << ' ' << has_cached_normal_ << ' ' << std::bit_cast<std::uint64_t>(cached_normal_);
  return out.str();
}

void TorchGenerator::restore(const std::string& state) {
  constexpr std::size_t kWords = std::mt19937::state_size;
  std::istringstream in(state);
  in.imbue(std::locale::classic());
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t number; in >> number;) numbers.push_back(number);
  // The words, the position among them (the standard library does not check it), and the cached normal.
  CHECK(in.eof() && numbers.size() == kWords + 3 && numbers[kWords] <= kWords && numbers[kWords + 1] <= 1,
        "the state of a random generator is malformed");
  in.clear();
  in.seekg(0);
  in >> engine_;
  has_cached_normal_ = numbers[kWords + 1] == 1;
  cached_normal_ = std::bit_cast<double>(numbers[kWords + 2]);
}

std::vector<std::int32_t> numpy_permutation(std::uint32_t seed, std::int32_t n) {
  std::mt19937 engine(seed);
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int32_t i = n - 1; i > 0; --i) {
    std::uint32_t mask = static_cast<std::uint32_t>(i);
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    std::uint32_t pick;
    do pick = static_cast<std::uint32_t>(engine()) & mask;
    while (pick > static_cast<std::uint32_t>(i));
    std::swap(order[static_cast<std::size_t>(i)], order[pick]);
  }
  return order;
}

}  // namespace attune
