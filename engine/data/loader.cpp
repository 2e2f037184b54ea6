#include "engine/data/loader.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/math.h"
#include "engine/data/batch_form.h"

namespace attune {
namespace {

std::size_t max_batch_rows(const LoaderOptions& options) {
  return options.batch_tokens > 0 ? kMaxSequences : static_cast<std::size_t>(options.batch_size);
}

// Tokens or rows of a batch.
std::int64_t batch_limit(const LoaderOptions& options) {
  return options.batch_tokens > 0 ? options.batch_tokens : options.batch_size;
}

}  // namespace

std::uint64_t LoaderPass::draw_seed(TorchGenerator& generator, bool shuffle) {
  generator.random_int64();  // the base seed of workers, drawn even without workers
  return shuffle ? static_cast<std::uint64_t>(generator.random_int64()) : 0;
}

LoaderPass::LoaderPass(TorchGenerator& generator, std::int64_t rows, const LoaderOptions& options)
    : LoaderPass(draw_seed(generator, options.shuffle), rows, options) {}

LoaderPass::LoaderPass(std::uint64_t seed, std::int64_t rows, const LoaderOptions& options) : seed_(seed) {
  CHECK(options.batch_size >= 1, "the batch size must be at least 1, not ", options.batch_size);
  CHECK(options.batch_tokens >= 0, "a batch must have at least 1 token, not ", options.batch_tokens);
  const bool measured = options.group_by_length || options.batch_tokens > 0;
  CHECK(!measured || std::ssize(options.lengths) == rows, "there are lengths of ", options.lengths.size(),
        " rows, but ", rows, " rows");
  const auto count = narrow<std::int32_t>(rows);
  TorchGenerator generator(seed);
  if (options.shuffle) {
    order_ = generator.permutation(count);
  } else {
    order_.resize(static_cast<std::size_t>(count));
    std::iota(order_.begin(), order_.end(), 0);
  }
  // By tokens there is no full batch, and nothing is dropped.
  if (options.drop_last && options.batch_tokens == 0)
    order_.resize(static_cast<std::size_t>(rows - rows % options.batch_size));
  if (options.group_by_length)
    group(generator, options);
  else
    batches_ = cut({0, order_.size()}, batch_limit(options), max_batch_rows(options), options);
}

// Consecutive parts of a part of the order, of at most `limit` tokens or rows; or of one row.
std::vector<LoaderPass::Part> LoaderPass::cut(const Part& whole, std::int64_t limit, std::size_t max_rows,
                                              const LoaderOptions& options) const {
  std::vector<Part> out;
  std::int64_t room = 0;
  for (std::size_t at = whole.begin; at < whole.begin + whole.size; ++at) {
    const std::int64_t cost =
        options.batch_tokens > 0 ? options.lengths[static_cast<std::size_t>(order_[at])] : std::int64_t{1};
    if (out.empty() || cost > room || out.back().size == max_rows) {
      out.push_back({at, 0});
      room = limit;
    }
    ++out.back().size;
    room -= cost;
  }
  return out;
}

void LoaderPass::group(TorchGenerator& generator, const LoaderOptions& options) {
  const auto length = [&](std::int32_t row) { return options.lengths[static_cast<std::size_t>(row)]; };
  const auto rows_of = [&](const Part& part) { return std::span(order_).subspan(part.begin, part.size); };
  const std::int64_t limit = batch_limit(options);
  std::vector<Part> sorted;
  for (const Part& stretch : cut({0, order_.size()}, kStretchBatches * limit, order_.size(), options)) {
    std::ranges::stable_sort(rows_of(stretch), {}, length);
    const std::vector<Part> parts = cut(stretch, limit, max_batch_rows(options), options);
    sorted.insert(sorted.end(), parts.begin(), parts.end());
  }
  for (const std::int32_t i : generator.permutation(narrow<std::int32_t>(std::ssize(sorted))))
    batches_.push_back(sorted[static_cast<std::size_t>(i)]);
  const auto tokens = [&](const Part& part) {
    std::int64_t sum = 0;
    for (const std::int32_t row : rows_of(part)) sum += length(row);
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
