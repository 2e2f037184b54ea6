#include "engine/train/epoch_plan.h"

#include <algorithm>
#include <limits>

#include "base/math.h"

namespace attune {

EpochPlan EpochPlan::even(std::int64_t epochs, std::int64_t batches, std::int64_t max_steps) {
  DCHECK(batches > 0);
  CHECK(epochs <= std::numeric_limits<std::int64_t>::max() / batches, epochs, " epochs of ", batches,
        " batches are more than can be counted");
  EpochPlan out;
  out.even_ = batches;
  out.total_ = max_steps > 0 ? std::min(epochs * batches, max_steps) : epochs * batches;
  return out;
}

EpochPlan EpochPlan::uneven(const std::vector<std::int64_t>& batches, std::int64_t max_steps) {
  EpochPlan out;
  for (const std::int64_t count : batches) out.ends_.push_back((out.ends_.empty() ? 0 : out.ends_.back()) + count);
  const std::int64_t all = out.ends_.empty() ? 0 : out.ends_.back();
  out.total_ = max_steps > 0 ? std::min(all, max_steps) : all;
  return out;
}

EpochPlan EpochPlan::drawn(const DrawnEpochs& run) {
  constexpr std::int64_t kMaxEpochs = 100000;
  CHECK(run.max_steps > 0 || run.epochs <= kMaxEpochs, "batches of ", run.options.batch_tokens,
        " tokens need the order of every epoch in advance: at most ", kMaxEpochs, " epochs, not ", run.epochs);
  TorchGenerator generator(run.seed);
  const auto draw_evaluation = [&] {
    LoaderPass::draw_seed(generator, true);
    LoaderPass::draw_seed(generator, false);
  };
  std::vector<std::int64_t> batches;
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < run.epochs; ++epoch) {
    batches.push_back(LoaderPass(generator, run.rows, run.options).batches());
    const std::int64_t end = step + batches.back();
    if (run.max_steps > 0 && end >= run.max_steps) break;
    for (; step < end; ++step)
      if (run.eval_every > 0 && step % run.eval_every == 0) draw_evaluation();
    if (run.eval_epochs) draw_evaluation();
  }
  return uneven(batches, run.max_steps);
}

std::int64_t EpochPlan::first_step(std::int64_t epoch) const {
  if (even_ > 0) return (epoch - 1) * even_;
  return epoch == 1 ? 0 : ends_[static_cast<std::size_t>(epoch - 2)];
}

std::int64_t EpochPlan::optimizer_steps(std::int64_t accumulation_steps) const {
  if (even_ > 0)
    return total_ / even_ * ceil_div(even_, accumulation_steps) + ceil_div(total_ % even_, accumulation_steps);
  std::int64_t out = 0, begin = 0;
  for (const std::int64_t end : ends_) {
    out += ceil_div(std::max<std::int64_t>(std::min(end, total_) - begin, 0), accumulation_steps);
    begin = end;
  }
  return out;
}

bool EpochPlan::is_place(std::int64_t step, std::int64_t epoch, std::int64_t batch) const {
  if (step < 0 || epoch < 1 || batch < 0) return false;
  if (even_ > 0) return epoch - 1 <= step / even_ && step == first_step(epoch) + batch && batch <= even_;
  const auto epochs = std::ssize(ends_);
  if (epoch > epochs + 1 || step != first_step(epoch) + batch) return false;
  return batch <= (epoch <= epochs ? ends_[static_cast<std::size_t>(epoch - 1)] - first_step(epoch) : 0);
}

bool EpochPlan::ends_epoch(std::int64_t step) const {
  return even_ > 0 ? step % even_ == 0 : std::ranges::binary_search(ends_, step);
}

std::string EpochPlan::text() const {
  return even_ > 0 ? str_cat("epochs of ", even_) : "the epochs of this run";
}

}  // namespace attune
