#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/math.h"

namespace attune {
namespace {

std::uint64_t draw_seed(TorchGenerator& generator, bool shuffle) {
  generator.random_int64();  // the base seed of workers, drawn even without workers
  return shuffle ? static_cast<std::uint64_t>(generator.random_int64()) : 0;
}

}  // namespace

LoaderPass::LoaderPass(TorchGenerator& generator, std::int64_t rows, const LoaderOptions& options)
    : LoaderPass(draw_seed(generator, options.shuffle), rows, options) {}

LoaderPass::LoaderPass(std::uint64_t seed, std::int64_t rows, const LoaderOptions& options) : seed_(seed) {
  CHECK(options.batch_size >= 1, "the batch size must be at least 1, not ", options.batch_size);
  CHECK(!options.group_by_length || std::ssize(options.lengths) == rows, "there are lengths of ",
        options.lengths.size(), " rows, but ", rows, " rows to group");
  const auto count = narrow<std::int32_t>(rows);
  TorchGenerator generator(seed);
  if (options.shuffle) {
    order_ = generator.permutation(count);
  } else {
    order_.resize(static_cast<std::size_t>(count));
    std::iota(order_.begin(), order_.end(), 0);
  }
  if (options.drop_last) order_.resize(static_cast<std::size_t>(rows - rows % options.batch_size));
  if (options.group_by_length)
    group(generator, options);
  else
    cut({0, order_.size()}, options);
}

// Appends the batches of a part of the order.
void LoaderPass::cut(const Part& whole, const LoaderOptions& options) {
  const auto size = static_cast<std::size_t>(options.batch_size), end = whole.begin + whole.size;
  for (std::size_t at = whole.begin; at < end; at += size) batches_.push_back({at, std::min(size, end - at)});
}

void LoaderPass::group(TorchGenerator& generator, const LoaderOptions& options) {
  const auto length = [&](std::int32_t row) { return options.lengths[static_cast<std::size_t>(row)]; };
  const auto window = static_cast<std::size_t>(kWindowBatches * options.batch_size);
  for (std::size_t at = 0; at < order_.size(); at += window) {
    const Part part{at, std::min(window, order_.size() - at)};
    std::ranges::stable_sort(std::span(order_).subspan(part.begin, part.size), {}, length);
    cut(part, options);
  }
  std::vector<Part> shuffled;
  for (const std::int32_t i : generator.permutation(narrow<std::int32_t>(batches())))
    shuffled.push_back(batches_[static_cast<std::size_t>(i)]);
  batches_ = std::move(shuffled);
  const auto tokens = [&](const Part& part) {
    std::int64_t sum = 0;
    for (const std::int32_t row : std::span(order_).subspan(part.begin, part.size)) sum += length(row);
    return sum;
  };
  if (!batches_.empty()) std::iter_swap(batches_.begin(), std::ranges::max_element(batches_, {}, tokens));
}

std::span<const std::int32_t> LoaderPass::batch(std::int64_t i) const {
  DCHECK(i >= 0 && i < batches());
  const Part& part = batches_[static_cast<std::size_t>(i)];
  return std::span(order_).subspan(part.begin, part.size);
}

}  // namespace attune
