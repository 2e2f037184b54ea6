#include "engine/train/gradient_sums.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// Large enough that an exchange is more than its latency, small enough that the last one, which nothing hides, is short.
constexpr std::size_t kBucket = std::size_t{1} << 20;  // elements

// Copies between a gradient and float32 on the host.
void copy_out(const Tensor& gradient, std::span<float> to) {
  const Tensor host = gradient.to(Device::kCpu).cast(DType::kFloat32);
  std::ranges::copy(host.values<float>(), to.begin());
}
void copy_in(const Tensor& gradient, std::span<const float> from) {
  if (gradient.device() == Device::kCpu && gradient.dtype() == DType::kFloat32)
    std::ranges::copy(from, gradient.values<float>().begin());
  else
    gradient.copy_from(Tensor::from(from, gradient.shape()).cast(gradient.dtype()));
}

}  // namespace

GradientSums::GradientSums(Communicator& processes, std::vector<NamedParameter> parameters) : processes_(processes) {
  for (NamedParameter& named : parameters) slots_.push_back({.named = std::move(named)});
}

std::span<float> GradientSums::values_of(const Slot& slot) {
  return std::span(*values_).subspan(slot.offset, slot.size);
}

void GradientSums::begin() {
  for (Slot& slot : slots_) slot.before = slot.named.parameter.grad().writes();
  started_ = 0;
  step_ = 0;
}

void GradientSums::look() {
  ++step_;
  if (!arranged_) {
    for (Slot& slot : slots_)
      if (const std::int64_t writes = slot.written(); writes != slot.writes) {
        slot.writes = writes;
        slot.final_at = step_;
      }
    return;
  }
  if (buckets_.empty()) return;
  // On a device a gradient may be complete only at the end of backward (engine/tensor/side_work.h).
  if (slots_.front().named.parameter.late_value().device() == Device::kCuda) return;
  const auto is_final = [](const Slot& slot) { return slot.written() == slot.writes; };
  for (; started_ < buckets_.size(); ++started_) {
    Bucket& next = buckets_[started_];
    const auto begin = slots_.begin() + static_cast<std::ptrdiff_t>(next.first);
    if (!std::all_of(begin, slots_.begin() + static_cast<std::ptrdiff_t>(next.last), is_final)) return;
    start(next);
  }
}

// Fills the buckets by what the first pass has shown.
void GradientSums::arrange() {
  const auto unused = std::stable_partition(slots_.begin(), slots_.end(),
                                            [](const Slot& slot) { return slot.named.parameter.grad().defined(); });
  unused_.assign(unused, slots_.end());
  slots_.erase(unused, slots_.end());
  std::erase_if(slots_, [&](const Slot& slot) {
    const bool late = slot.named.parameter.late_rows() != nullptr;
    if (late) tables_.emplace_back(processes_, slot.named);
    return late;
  });
  std::ranges::stable_sort(slots_, {}, &Slot::final_at);
  std::size_t offset = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto size = static_cast<std::size_t>(slots_[i].named.parameter.grad().tensor().numel());
    if (buckets_.empty() || buckets_.back().size + size > kBucket)
      buckets_.push_back({.first = i, .last = i, .offset = offset, .size = 0});
    slots_[i].offset = offset;
    slots_[i].size = size;
    offset += size;
    buckets_.back().last = i + 1;
    buckets_.back().size += size;
  }
  values_->resize(offset);
  arranged_ = true;
}

void GradientSums::start(Bucket& bucket) {
  for (std::size_t i = bucket.first; i < bucket.last; ++i) {
    const Slot& slot = slots_[i];
    const Grad& grad = slot.named.parameter.grad();
    CHECK(grad.defined(), "the parameter ", slot.named.name,
          " has no gradient, unlike at the first step of this process");
    copy_out(grad.tensor(), values_of(slot));
  }
  bucket.sum = processes_.start_sum(std::span(*values_).subspan(bucket.offset, bucket.size), values_);
}

void GradientSums::finish() {
  if (!arranged_) arrange();
  for (const Slot& slot : unused_)
    CHECK(!slot.named.parameter.grad().defined(), "the parameter ", slot.named.name,
          " has a gradient, unlike at the first step of this process");
  for (; started_ < buckets_.size(); ++started_) start(buckets_[started_]);
  for (RowSums& table : tables_) table.start();
  for (const Bucket& bucket : buckets_) {
    processes_.wait(bucket.sum);
    for (std::size_t i = bucket.first; i < bucket.last; ++i) {
      const Grad& grad = slots_[i].named.parameter.grad();
      CHECK(slots_[i].written() == slots_[i].writes, "the gradient of ", slots_[i].named.name,
            " was written to another number of times than at the first step");
      const Tensor sum = grad.take();
      copy_in(sum, values_of(slots_[i]));
      grad.add(sum);
    }
  }
  for (RowSums& table : tables_) table.finish();
}

Tensor GradientSums::sum(const Tensor& mine, double share) {
  const auto value = std::make_shared<float>();
  const std::span<float> one(value.get(), 1);
  copy_out(mine, one);
  *value *= static_cast<float>(share);
  processes_.wait(processes_.start_sum(one, value));
  Tensor out = Tensor::empty(mine.shape(), mine.dtype(), mine.device());
  copy_in(out, one);
  return out;
}

}  // namespace attune
