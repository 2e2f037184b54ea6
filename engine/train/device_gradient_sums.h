// The gradients of the GPUs of a run, added without the hosts.
//
// Gradients lie in buckets on the device, in the order in which they become final (engine/train/gradient_order.h). As
// soon as a bucket is final, the GPUs exchange it on a stream of their own, while backward goes on: GPU r gets part r of
// the bucket of every other one, adds them in the order of the ranks, and sends the sum to all. The main stream waits for
// the last one. Bits are those of sums on the host (engine/train/gradient_sums.h): also a bfloat16 gradient is added in
// float32 and rounded once.
//
// Backward writes gradients into the buckets, and the optimizer reads them there: nothing is copied. In return the
// memory of all gradients is in use during the forward pass too. All of it may be captured after the first pass, which
// finds out the order and adds at its end.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/comm/device_exchange.h"
#include "engine/tensor/tensor.h"
#include "engine/train/gradient_order.h"

namespace attune {

class DeviceGradientSums {
 public:
  /// Elements of a bucket: large enough that an exchange is more than its latency, small enough that the last one, which
  /// nothing hides, is short. Not measured on several GPUs so far. A larger gradient has a bucket of its own.
  static constexpr std::int64_t kBucket = std::int64_t{1} << 22;

  /// Parameters on the CUDA device. `devices` must outlive it.
  DeviceGradientSums(DeviceExchange& devices, std::vector<NamedParameter> parameters, std::int64_t bucket = kBucket);
  ~DeviceGradientSums();
  DeviceGradientSums(const DeviceGradientSums&) = delete;
  DeviceGradientSums& operator=(const DeviceGradientSums&) = delete;

  /// As those of GradientSums.
  void begin();
  void look();
  void finish();
  /// `mine`: float32.
  Tensor sum(const Tensor& mine, double share);
  /// The same with a share that is read when the work runs: float64 [1] on the device.
  Tensor sum(const Tensor& mine, const Tensor& share);

  /// Whether a pass may be captured.
  bool capturable() const { return order_.known(); }
  std::size_t buckets() const { return buckets_.size(); }

 private:
  struct Bucket {
    Tensor values;                   // [world, part]
    std::vector<std::size_t> slots;  // of order_
  };
  void arrange();
  void place(const std::vector<std::size_t>& slots);
  void start(const Bucket& bucket);
  Tensor own_loss(const Shape& shape) const;
  Tensor sum_of_losses(const Tensor& like);

  DeviceExchange& devices_;
  std::int64_t max_elements_;
  GradientOrder order_;
  std::vector<Bucket> buckets_;        // by their last gradient; empty before the end of the first pass
  std::size_t started_ = 0;            // of this pass
  std::shared_ptr<Storage> received_;  // parts of one bucket, from every rank
  Tensor losses_;                      // float32 [world, 1]
};

}  // namespace attune
