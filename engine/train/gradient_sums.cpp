#include "engine/train/gradient_sums.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

// Large enough that an exchange is more than its latency, small enough that the last one, which nothing hides, is short.
constexpr std::size_t kBucket = std::size_t{1} << 20;  // elements

// Copies between a gradient, or elements of it, and float32 on the host.
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

GradientSums::GradientSums(Communicator& processes, std::vector<NamedParameter> parameters, const Shares* shares)
    : processes_(processes), shares_(shares) {
  for (NamedParameter& named : parameters) slots_.push_back({.named = std::move(named), .array = slots_.size()});
}

Shares::Part GradientSums::part_of(const Slot& slot, int part) const {
  return shares_ == nullptr ? Shares::Part{0, slot.named.parameter.late_value().numel()}
                            : shares_->part(slot.array, part);
}

template <class Visit>
void GradientSums::for_parts(const Bucket& bucket, const Visit& visit) {
  for (int p = 0; p < parts(); ++p) {
    std::size_t at = bucket.offset + static_cast<std::size_t>(p) * bucket.part;
    for (std::size_t i = bucket.first; i < bucket.last; ++i) {
      const Shares::Part part = part_of(slots_[i], p);
      const auto size = static_cast<std::size_t>(part.size());
      visit(slots_[i], p, part, std::span(*values_).subspan(at, size));
      at += size;
    }
  }
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
  std::size_t size = 0;  // of the latest bucket
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto more = static_cast<std::size_t>(slots_[i].named.parameter.late_value().numel());
    if (buckets_.empty() || size + more > kBucket) {
      buckets_.push_back({.first = i, .last = i});
      size = 0;
    }
    buckets_.back().last = i + 1;
    size += more;
  }
  std::size_t offset = 0;
  for (Bucket& bucket : buckets_) {
    bucket.offset = offset;
    for (int p = 0; p < parts(); ++p) {
      std::size_t part = 0;
      for (std::size_t i = bucket.first; i < bucket.last; ++i)
        part += static_cast<std::size_t>(part_of(slots_[i], p).size());
      bucket.part = std::max(bucket.part, part);
    }
    offset += bucket.size(parts());
  }
  values_->resize(offset);
  arranged_ = true;
}

void GradientSums::start(Bucket& bucket) {
  for_parts(bucket, [&](const Slot& slot, int, const Shares::Part& part, std::span<float> values) {
    const Grad& grad = slot.named.parameter.grad();
    CHECK(grad.defined(), "the parameter ", slot.named.name,
          " has no gradient, unlike at the first step of this process");
    copy_out(grad.tensor().elements(part.begin, part.end), values);
  });
  const std::span<float> all = std::span(*values_).subspan(bucket.offset, bucket.size(parts()));
  bucket.sum = shares_ == nullptr ? processes_.start_sum(all, values_) : processes_.start_sum_of_parts(all, values_);
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
    for_parts(bucket, [&](const Slot& slot, int p, const Shares::Part& part, std::span<const float> values) {
      if (shares_ != nullptr && p != processes_.rank()) return;
      const Grad& grad = slot.named.parameter.grad();
      CHECK(slot.written() == slot.writes, "the gradient of ", slot.named.name,
            " was written to another number of times than at the first step");
      const Tensor sum = grad.take();
      copy_in(sum.elements(part.begin, part.end), values);
      grad.add(sum);
    });
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
