// A tensor that is being copied to the host: the copy starts after the work that computes the tensor, and get() waits
// for it.
#pragma once

#include <memory>

#include "engine/tensor/tensor.h"

namespace attune {

class HostCopy {
 public:
  /// Starts to copy `x`, whose bytes may change as soon as later work of its device changes them.
  explicit HostCopy(const Tensor& x);
  ~HostCopy();
  HostCopy(HostCopy&&) noexcept;
  HostCopy& operator=(HostCopy&&) noexcept;

  /// The copy on the host, after waiting for it.
  const Tensor& get();

 private:
  struct Arrival;
  Tensor host_;
  std::unique_ptr<Arrival> arrival_;  // none: it is there
};

}  // namespace attune
