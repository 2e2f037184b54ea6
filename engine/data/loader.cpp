#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>

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

LoaderPass::LoaderPass(std::uint64_t seed, std::int64_t rows, const LoaderOptions& options)
    : seed_(seed), batch_size_(options.batch_size) {
  CHECK(options.batch_size >= 1, "the batch size must be at least 1, not ", options.batch_size);
  batches_ = options.drop_last ? rows / batch_size_ : ceil_div(rows, batch_size_);
  const auto count = narrow<std::int32_t>(rows);
  if (options.shuffle) {
    order_ = TorchGenerator(seed).permutation(count);
  } else {
    order_.resize(static_cast<std::size_t>(count));
    std::iota(order_.begin(), order_.end(), 0);
  }
}

std::span<const std::int32_t> LoaderPass::batch(std::int64_t i) const {
  DCHECK(i >= 0 && i < batches_);
  const auto begin = static_cast<std::size_t>(i * batch_size_);
  const std::size_t end = std::min(begin + static_cast<std::size_t>(batch_size_), order_.size());
  return std::span(order_).subspan(begin, end - begin);
}

}  // namespace attune
