// A dense, row-major array with a run-time element type: a shape over a window of a Storage.
//
// Copying a Tensor shares its bytes; nothing is copied implicitly. Only clone(), to() and cast() copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "engine/tensor/device.h"
#include "engine/tensor/storage.h"

namespace attune {

class Tensor {
 public:
  /// An undefined tensor: no shape, no bytes.
  Tensor() = default;
  /// Uninitialised elements.
  static Tensor empty(const Shape& shape, DType dtype, Device device = Device::kCpu);
  static Tensor zeros(const Shape& shape, DType dtype, Device device = Device::kCpu);
  /// A copy of host values. Throws Error if their number is not the shape's.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape) {
    return from_bytes(std::as_bytes(values), shape, dtype_of<T>::value);
  }
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }

  /// The bytes of a storage from `offset` on, shared; read-only if the storage is.
  static Tensor over(std::shared_ptr<Storage> storage, std::size_t offset, const Shape& shape, DType dtype);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }

  /// First byte, on its device; null if undefined.
  void* raw() const { return storage_ == nullptr ? nullptr : storage_->data() + offset_; }
  /// Elements of a host tensor. Throws Error if T is not the dtype or the tensor is not on the host.
  template <class T>
  std::span<T> values() const {
    CHECK(dtype_ == dtype_of<T>::value, "a tensor of ", dtype_, " was read as ", dtype_of<T>::value);
    CHECK(!defined() || device() == Device::kCpu, "a tensor on the ", device(), " was read on the cpu");
    return {static_cast<T*>(raw()), static_cast<std::size_t>(numel())};
  }
  /// The one element of a host tensor of any float type.
  double item() const;

  /// The same bytes with another shape that has as many elements.
  Tensor view(const Shape& shape) const;
  /// Rows [begin, end) of the outermost dimension, sharing bytes.
  Tensor rows(std::int64_t begin, std::int64_t end) const;
  /// Elements [begin, end) of all, as one dimension, sharing bytes.
  Tensor elements(std::int64_t begin, std::int64_t end) const { return view({numel()}).rows(begin, end); }
  /// A copy with its own bytes.
  Tensor clone() const;
  /// A copy on `device`; the tensor itself if it is there already.
  Tensor to(Device device) const;
  /// A copy of a host tensor converted to another float type (bfloat16: rounded to nearest, ties to even); the tensor
  /// itself if it has that type already.
  Tensor cast(DType dtype) const;
  /// Copies the elements of a tensor of the same shape and dtype, on any device, into this one's bytes.
  void copy_from(const Tensor& other) const;

  /// Whether no other Tensor shares these bytes.
  bool unique() const { return storage_.use_count() == 1; }

 private:
  static Tensor from_bytes(std::span<const std::byte> bytes, const Shape& shape, DType dtype);

  std::shared_ptr<Storage> storage_;
  std::size_t offset_ = 0;  // bytes
  Shape shape_;
  DType dtype_ = DType::kFloat32;
};

}  // namespace attune
