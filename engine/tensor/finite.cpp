#include "engine/tensor/finite.h"

#include "base/finite.h"

namespace attune {

std::optional<std::int64_t> first_not_finite(const Tensor& x) {
  if (!x.defined() || x.dtype() == DType::kInt32 || x.dtype() == DType::kInt64) return std::nullopt;
  const Tensor host = x.to(Device::kCpu);
  const Tensor wide = host.cast(statistics_dtype(host.dtype()));
  const auto found = dispatch_float(wide.dtype(), "finite",
                                    [&]<class T>() { return first_not_finite(std::span<const T>(wide.values<T>())); });
  return found ? std::optional(static_cast<std::int64_t>(*found)) : std::nullopt;
}

}  // namespace attune
