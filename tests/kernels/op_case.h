// One op at one size, described once for every use: correctness (f32 against f64), gradients, parity of backends, speed.
//
// A case names its buffers and says how to call the kernel on them; who runs it (harness.h, bench/kernels.cpp) owns the memory,
// fills the inputs, poisons the outputs and decides dtype and backend. For every differentiable output `y` there is an input
// `dy`, its upstream gradient; for every differentiable input `x` the backward call writes `grad("x")`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "kernels/context.h"
#include "kernels/dropout.h"
#include "tests/kernels/tolerances.h"

namespace attune::testing {

/// The contexts a case can run on.
using Context = std::variant<kernels::CpuContext, const kernels::CudaContext*>;

/// Where a case runs: a context, and the memory its kernels read.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  virtual Context context() const = 0;
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data) = 0;
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;    // host to backend
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;  // backend to host, after all work is done
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;      // within the backend
};

/// The calling process's CPU.
Backend& cpu_backend();

/// What a case's functions see: the buffers by name.
class Call {
 public:
  Call(Backend& backend, DType dtype) : backend_(&backend), dtype_(dtype) {}

  DType dtype() const { return dtype_; }
  /// The float buffer of this name; null for one the case does not have.
  void* operator[](const std::string& name) const;
  /// The integer buffer of this name; null for one the case does not have.
  const std::int32_t* ints(const std::string& name) const { return static_cast<const std::int32_t*>((*this)[name]); }
  /// The float64 buffer of this name; null for one the case does not have.
  double* doubles(const std::string& name) const { return static_cast<double*>((*this)[name]); }
  /// Where the gradient of this input goes; no data if nobody wants it.
  kernels::GradOut grad(const std::string& name) const;
  /// `at` elements into a float buffer.
  void* offset(void* data, std::int64_t at) const {
    return static_cast<std::byte*>(data) + at * static_cast<std::int64_t>(size_of(dtype_));
  }

  /// Calls f with the backend's context.
  template <class F>
  void run(F&& f) const {
    const Context context = backend_->context();
    if (const auto* cuda = std::get_if<const kernels::CudaContext*>(&context))
      f(**cuda);
    else
      f(std::get<kernels::CpuContext>(context));
  }
  /// `at` elements into a buffer of statistics.
  void* statistic_offset(void* data, std::int64_t at) const {
    return static_cast<std::byte*>(data) + at * static_cast<std::int64_t>(size_of(statistics_dtype(dtype_)));
  }
  Backend& backend() const { return *backend_; }

  void bind(const std::string& name, void* data) { buffers_[name] = data; }
  void bind_grad(const std::string& name, kernels::GradOut out) { grads_[name] = out; }

 private:
  Backend* backend_;
  DType dtype_;
  std::map<std::string, void*> buffers_;
  std::map<std::string, kernels::GradOut> grads_;
};

struct FloatInput {
  std::string name;
  std::int64_t n;
  bool differentiable = true;
  double low = -1, high = 1;  // uniform
  double gap = 0;             // no value closer to 0 than this (kinks, divisions)
  bool statistic = false;     // kept in statistics_dtype, as is its gradient
  std::int64_t columns = 0;   // above 0: a matrix; no two of the R values of a column are closer than (high - low) / R
};

struct IntInput {
  std::string name;
  std::vector<std::int32_t> values;
};

/// float64 whatever the dtype.
struct DoubleInput {
  std::string name;
  std::vector<double> values;
};

struct Output {
  std::string name;
  std::int64_t n;
  bool differentiable = true;
  bool statistic = false;  // kept in statistics_dtype, as is its upstream gradient
  bool float64 = false;    // kept in float64 whatever the dtype; not differentiable
};

/// Bytes by the dtype of the run.
struct Bytes {
  double float32 = 0, bfloat16 = 0;
  double of(DType dtype) const { return dtype == DType::kBFloat16 ? bfloat16 : float32; }
};
/// Those of n elements of that dtype.
inline Bytes elements(double n) {
  return {4 * n, 2 * n};
}

/// The bytes that are moved and the multiplications and additions that are done at least, per call.
struct Work {
  Bytes bytes;
  double flops = 0;
};

struct OpCase {
  std::string op;     // "layernorm"
  std::string label;  // "3x17_dropout"
  Tolerance tolerance;
  std::vector<FloatInput> inputs = {};
  std::vector<IntInput> ints = {};
  std::vector<DoubleInput> doubles = {};
  std::int32_t mask_step = -1;  // of its dropout masks, set by with_masks; -1: it has none
  std::vector<Output> outputs = {};
  std::function<void(const Call&)> forward = {};
  std::function<void(const Call&)> backward = {};  // empty: no gradient
  bool grads_accumulate = true;  // false: backward writes its gradients whatever their mode, and wants all of them
  Work forward_work = {}, backward_work = {};

  std::string name() const { return op + "/" + label; }
};

/// Gives the case the row keys and the step of dropout masks.
void with_masks(OpCase& op, std::vector<std::int32_t> row_keys, std::int32_t step);
/// The mask of such a case. Where the run brings a buffer "step_at", the step is to be read there and is wrong in the mask.
kernels::DropoutMask mask_of(const Call& c, float p, std::uint64_t seed, std::uint32_t step, std::uint32_t site);

/// All cases the tests run, small sizes and odd ones.
std::vector<OpCase> test_cases();
/// How large the cases of bench/kernels.cpp are: those of real models, what a simulated device does in a moment, or the one
/// product that shows the highest rate of a GPU.
enum class SpeedSizes : std::uint8_t { kReal, kTiny, kCeiling };
/// The same ops at other sizes, for bench/kernels.cpp. Updates are in place.
std::vector<OpCase> speed_cases(SpeedSizes sizes);

}  // namespace attune::testing
