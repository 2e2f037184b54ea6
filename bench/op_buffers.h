// The memory of one case of the op table in a benchmark, on any backend: inputs and upstream gradients random, never zero,
// since zeros can be faster than data.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/bfloat16.h"
#include "tests/kernels/op_case.h"

namespace attune::testing {

class OpBuffers {
 public:
  /// `op` must outlive the object.
  OpBuffers(const OpCase& op, Backend& backend, DType dtype) : op_(&op), backend_(&backend), call_(backend, dtype) {
    std::mt19937 engine(1);
    const DType statistics = statistics_dtype(dtype);
    for (const FloatInput& input : op.inputs)
      add(input.name, random(input.n, input.statistic ? statistics : dtype, input.low, input.high, engine));
    for (const IntInput& input : op.ints) add(input.name, bytes_of(input.values));
    for (const DoubleInput& input : op.doubles) add(input.name, bytes_of(input.values));
    for (const Output& output : op.outputs) {
      const DType own = output.float64 ? DType::kFloat64 : output.statistic ? statistics : dtype;
      add(output.name, random(output.n, own, -1, 1, engine));
      if (output.differentiable) add("d" + output.name, random(output.n, own, -1, 1, engine));
    }
    if (op.backward != nullptr)
      for (const FloatInput& input : op.inputs)
        if (input.differentiable)
          add("grad " + input.name, random(input.n, input.statistic ? statistics : dtype, -1, 1, engine));
    bind();
    op.forward(call_);  // backward reads what forward saves
  }
  /// The same values at other addresses.
  OpBuffers(const OpBuffers& other)
      : op_(other.op_), backend_(other.backend_), call_(*other.backend_, other.call_.dtype()) {
    for (const Buffer& buffer : other.buffers_) {
      buffers_.push_back({buffer.name, backend_->allocate(buffer.bytes), buffer.bytes});
      backend_->copy(buffers_.back().data, buffer.data, buffer.bytes);
    }
    bind();
  }
  ~OpBuffers() {
    for (const Buffer& buffer : buffers_) backend_->release(buffer.data);
  }
  OpBuffers& operator=(const OpBuffers&) = delete;

  const Call& call() const { return call_; }
  double bytes() const {
    double sum = 0;
    for (const Buffer& buffer : buffers_) sum += static_cast<double>(buffer.bytes);
    return sum;
  }

 private:
  struct Buffer {
    std::string name;
    void* data;
    std::size_t bytes;
  };

  template <class T>
  static std::vector<std::byte> bytes_of(const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    return {bytes, bytes + values.size() * sizeof(T)};
  }
  static std::vector<std::byte> random(std::int64_t n, DType dtype, double low, double high, std::mt19937& engine) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
    std::vector<std::byte> out(static_cast<std::size_t>(n) * size_of(dtype));
    for (std::int64_t i = 0; i < n; ++i) {
      const float value = uniform(engine);
      std::byte* at = out.data() + static_cast<std::size_t>(i) * size_of(dtype);
      if (dtype == DType::kFloat32) std::memcpy(at, &value, sizeof value);
      if (dtype == DType::kFloat64) *reinterpret_cast<double*>(at) = static_cast<double>(value);
      if (dtype == DType::kBFloat16) {
        const BFloat16 narrow = to_bfloat16(value);
        std::memcpy(at, &narrow, sizeof narrow);
      }
    }
    return out;
  }
  void add(const std::string& name, const std::vector<std::byte>& content) {
    buffers_.push_back({name, backend_->allocate(content.size()), content.size()});
    backend_->upload(buffers_.back().data, content.data(), content.size());
  }
  void bind() {
    constexpr const char* kGradient = "grad ";
    for (const Buffer& buffer : buffers_) {
      call_.bind(buffer.name, buffer.data);
      if (op_->backward != nullptr && buffer.name.starts_with(kGradient))
        call_.bind_grad(buffer.name.substr(std::strlen(kGradient)), {buffer.data});
    }
  }

  const OpCase* op_;
  Backend* backend_;
  std::vector<Buffer> buffers_;
  Call call_;
};

}  // namespace attune::testing
