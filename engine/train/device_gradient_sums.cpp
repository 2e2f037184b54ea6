#include "engine/train/device_gradient_sums.h"

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include "base/math.h"
#include "engine/ops/fill.h"
#include "engine/ops/moving_average.h"
#include "engine/ops/rank_sum.h"
#include "engine/ops/scale.h"

namespace attune {
namespace {

constexpr std::size_t kAlignment = 256;  // bytes, as blocks of device memory of their own have it

std::int64_t aligned_size(std::int64_t elements, DType dtype) {
  const auto multiple = static_cast<std::int64_t>(kAlignment / size_of(dtype));
  return ceil_div(elements, multiple) * multiple;
}

}  // namespace

DeviceGradientSums::DeviceGradientSums(DeviceExchange& devices, std::vector<NamedParameter> parameters,
                                       std::int64_t bucket)
    : devices_(devices),
      max_elements_(bucket),
      order_(std::move(parameters)),
      losses_(Tensor::zeros({devices.world(), 1}, DType::kFloat32, Device::kCuda)) {}

DeviceGradientSums::~DeviceGradientSums() {
  try {
    ExchangeStream::get().join();    // an error may have left a pass unfinished
  } catch (const std::exception&) {  // the device has failed, and the main stream has the error as well
  }
  for (std::size_t i = 0; i < order_.size(); ++i) {
    order_.parameter(i).grad().clear();
    order_.parameter(i).grad().set_home({});
  }
}

void DeviceGradientSums::begin() {
  order_.begin();
  started_ = 0;
}

void DeviceGradientSums::look() {
  order_.look();
  const auto is_final = [&](std::size_t i) { return order_.is_final(i); };
  for (; started_ < buckets_.size() && std::ranges::all_of(buckets_[started_].slots, is_final); ++started_)
    start(buckets_[started_]);
}

void DeviceGradientSums::finish() {
  order_.end();
  if (buckets_.empty()) arrange();
  for (; started_ < buckets_.size(); ++started_) start(buckets_[started_]);
  ExchangeStream::get().join();
}

// Fills the buckets, each of one type, and orders them by their last gradient.
void DeviceGradientSums::arrange() {
  struct Open {
    std::vector<std::size_t> slots;
    std::int64_t size = 0;
  };
  std::map<DType, Open> open;
  std::vector<std::vector<std::size_t>> filled;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const Tensor& gradient = order_.parameter(i).grad().tensor();
    Open& own = open[gradient.dtype()];
    if (!own.slots.empty() && own.size + gradient.numel() > max_elements_)
      filled.push_back(std::exchange(own, {}).slots);
    own.slots.push_back(i);
    own.size += gradient.numel();
  }
  for (auto& [dtype, last] : open) filled.push_back(std::move(last.slots));
  std::ranges::sort(filled, {}, [](const std::vector<std::size_t>& slots) { return slots.back(); });
  for (const std::vector<std::size_t>& slots : filled) place(slots);
  std::size_t largest = 0;
  for (const Bucket& bucket : buckets_) largest = std::max(largest, bucket.values.bytes());
  received_ = Storage::allocate(largest, Device::kCuda);
}

// Makes a bucket, which the gradients move to.
void DeviceGradientSums::place(const std::vector<std::size_t>& slots) {
  const DType dtype = order_.parameter(slots.front()).grad().tensor().dtype();
  std::int64_t size = 0;
  for (const std::size_t i : slots) size += aligned_size(order_.parameter(i).grad().tensor().numel(), dtype);
  const std::int64_t part = aligned_size(ceil_div(size, std::int64_t{devices_.world()}), dtype);
  const Tensor values = Tensor::zeros({devices_.world() * part}, dtype, Device::kCuda);
  std::int64_t at = 0;
  for (const std::size_t i : slots) {
    const Grad& grad = order_.parameter(i).grad();
    const Shape& shape = grad.tensor().shape();
    grad.set_home(values.rows(at, at + shape.numel()).view(shape));
    at += aligned_size(shape.numel(), dtype);
  }
  buckets_.push_back({values.view({devices_.world(), part}), slots});
}

void DeviceGradientSums::start(const Bucket& bucket) {
  const ExchangeStream& stream = ExchangeStream::get();
  const Tensor& values = bucket.values;
  const Tensor received = Tensor::over(received_, 0, values.shape(), values.dtype());
  const std::size_t bytes = values.bytes() / static_cast<std::size_t>(devices_.world());
  const std::int64_t rank = devices_.rank();
  stream.follow();
  devices_.exchange(values.raw(), received.raw(), bytes, stream.native());
  ops::rank_sum(InPlace(values.rows(rank, rank + 1).view({values.shape()[1]})), received, stream);
  devices_.gather(values.raw(), bytes, stream.native());
}

Tensor DeviceGradientSums::own_loss(const Shape& shape) const {
  return losses_.rows(devices_.rank(), devices_.rank() + 1).view(shape);
}

Tensor DeviceGradientSums::sum(const Tensor& mine, double share) {
  ops::scale({own_loss(mine.shape())}, mine, share);
  return sum_of_losses(mine);
}

Tensor DeviceGradientSums::sum(const Tensor& mine, const Tensor& share) {
  const InPlace own(own_loss(mine.shape()));
  ops::fill(own, 0);
  const ops::AveragedTensor moved[] = {{own, mine}};
  ops::moving_average(moved, share);  // from 0 it moves by the share of the value
  return sum_of_losses(mine);
}

Tensor DeviceGradientSums::sum_of_losses(const Tensor& like) {
  const ExchangeStream& stream = ExchangeStream::get();
  stream.follow();
  devices_.gather(losses_.raw(), sizeof(float), stream.native());
  stream.join();
  const Tensor out = Tensor::empty(like.shape(), like.dtype(), like.device());
  ops::rank_sum(InPlace(out.view({1})), losses_);
  return out;
}

}  // namespace attune
