#include "engine/train/gradient_sums.h"

#include <algorithm>
#include <utility>

namespace attune {
namespace {

// Large enough that an exchange is more than its latency, small enough that the last one, which nothing hides, is short.
constexpr std::size_t kBucket = std::size_t{1} << 20;  // elements
// Of what one process sends to another at a time: many processes have larger buckets.
constexpr std::size_t kMessage = std::size_t{1} << 14;  // elements

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
    : processes_(processes), shares_(shares), order_(std::move(parameters)) {}

Shares::Part GradientSums::part_of(std::size_t slot, int part) const {
  return shares_ == nullptr ? Shares::Part{0, order_.parameter(slot).late_value().numel()}
                            : shares_->part(order_.number(slot), part);
}

template <class Visit>
void GradientSums::for_parts(const Bucket& bucket, const Visit& visit) {
  for (int p = 0; p < parts(); ++p) {
    std::size_t at = bucket.offset + static_cast<std::size_t>(p) * bucket.part;
    for (const std::size_t slot : bucket.slots) {
      const Shares::Part part = part_of(slot, p);
      const auto size = static_cast<std::size_t>(part.size());
      visit(order_.parameter(slot).grad(), p, part, std::span(*values_).subspan(at, size));
      at += size;
    }
  }
}

void GradientSums::begin() {
  order_.begin();
  started_ = 0;
}

void GradientSums::look() {
  order_.look();
  // On a device a gradient may be complete only at the end of backward (engine/tensor/side_work.h).
  if (buckets_.empty() || order_.parameter(0).late_value().device() == Device::kCuda) return;
  const auto is_final = [&](std::size_t slot) { return order_.is_final(slot); };
  for (; started_ < buckets_.size() && std::ranges::all_of(buckets_[started_].slots, is_final); ++started_)
    start(buckets_[started_]);
}

// Fills the buckets by what the first pass has shown.
void GradientSums::arrange() {
  const std::size_t max_elements = std::max(kBucket, static_cast<std::size_t>(processes_.world()) * kMessage);
  std::size_t size = 0;  // of the latest bucket
  for (std::size_t slot = 0; slot < order_.size(); ++slot) {
    const Parameter& parameter = order_.parameter(slot);
    if (parameter.late_rows() != nullptr) {
      tables_.emplace_back(processes_, order_.named(slot));
      continue;
    }
    const auto more = static_cast<std::size_t>(parameter.late_value().numel());
    if (buckets_.empty() || size + more > max_elements) {
      buckets_.emplace_back();
      size = 0;
    }
    buckets_.back().slots.push_back(slot);
    size += more;
  }
  std::size_t offset = 0;
  for (Bucket& bucket : buckets_) {
    bucket.offset = offset;
    for (int p = 0; p < parts(); ++p) {
      std::size_t part = 0;
      for (const std::size_t slot : bucket.slots) part += static_cast<std::size_t>(part_of(slot, p).size());
      bucket.part = std::max(bucket.part, part);
    }
    offset += bucket.size(parts());
  }
  values_->resize(offset);
}

void GradientSums::start(Bucket& bucket) {
  for_parts(bucket, [&](const Grad& grad, int, const Shares::Part& part, std::span<float> values) {
    copy_out(grad.tensor().elements(part.begin, part.end), values);
  });
  const std::span<float> all = std::span(*values_).subspan(bucket.offset, bucket.size(parts()));
  bucket.sum = shares_ == nullptr ? processes_.start_sum(all, values_) : processes_.start_sum_of_parts(all, values_);
}

void GradientSums::finish() {
  const bool first = !order_.known();
  order_.end();
  if (first) arrange();
  for (; started_ < buckets_.size(); ++started_) start(buckets_[started_]);
  for (RowSums& table : tables_) table.start();
  for (const Bucket& bucket : buckets_) {
    processes_.wait(bucket.sum);
    for_parts(bucket, [&](const Grad& grad, int p, const Shares::Part& part, std::span<const float> values) {
      if (shares_ != nullptr && p != processes_.rank()) return;
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
