#include "engine/tensor/tensor.h"

#include <utility>

#include "base/check.h"
#include "kernels/cast.h"

namespace attune {

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ = Storage::allocate(tensor.bytes(), device);
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor tensor = empty(shape, dtype, device);
  zero_bytes({tensor.raw(), device}, tensor.bytes());
  return tensor;
}

Tensor Tensor::from_bytes(std::span<const std::byte> bytes, const Shape& shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  CHECK(bytes.size() == tensor.bytes(), bytes.size() / size_of(dtype), " values do not fill a tensor of shape ", shape);
  copy_bytes({tensor.raw(), Device::kCpu}, {bytes.data(), Device::kCpu}, bytes.size());
  return tensor;
}

Tensor Tensor::over(std::shared_ptr<Storage> storage, std::size_t offset, const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ = std::move(storage);
  tensor.offset_ = offset;
  return tensor;
}

double Tensor::item() const {
  CHECK(numel() == 1, "item() of a tensor of shape ", shape_);
  return cast(DType::kFloat64).values<double>()[0];
}

Tensor Tensor::view(const Shape& shape) const {
  CHECK(shape.numel() == numel(), "a tensor of shape ", shape_, " cannot be viewed as ", shape);
  Tensor out = *this;
  out.shape_ = shape;
  return out;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  CHECK(shape_.rank() >= 1 && begin >= 0 && begin <= end && end <= shape_[0], "rows ", begin, "..", end,
        " of a tensor of shape ", shape_);
  const std::int64_t row = shape_.with_rows(1).numel();
  Tensor out = *this;
  out.shape_ = shape_.with_rows(end - begin);
  out.offset_ += static_cast<std::size_t>(begin * row) * size_of(dtype_);
  return out;
}

Tensor Tensor::clone() const {
  Tensor out = empty(shape_, dtype_, device());
  out.copy_from(*this);
  return out;
}

Tensor Tensor::to(Device target) const {
  if (target == device()) return *this;
  Tensor out = empty(shape_, dtype_, target);
  out.copy_from(*this);
  return out;
}

Tensor Tensor::cast(DType target) const {
  if (target == dtype_) return *this;
  CHECK(device() == Device::kCpu, "a tensor on the ", device(), " cannot be converted there");
  Tensor out = empty(shape_, target);
  kernels::cast(kernels::CpuContext{}, {.y = out.raw(), .x = raw(), .n = numel(), .to = target, .from = dtype_});
  return out;
}

void Tensor::copy_from(const Tensor& other) const {
  CHECK(other.shape_ == shape_ && other.dtype_ == dtype_, "a tensor of ", other.dtype_, " ", other.shape_,
        " cannot be copied into one of ", dtype_, " ", shape_);
  copy_bytes({raw(), device()}, {other.raw(), other.device()}, bytes());
}

}  // namespace attune
