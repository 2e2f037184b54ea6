#include "tests/kernels/harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>

#include "base/bfloat16.h"

namespace attune::testing {
namespace {

using namespace kernels;

constexpr std::size_t kGuard = 256;  // bytes on both sides
constexpr std::byte kCanary{0xA5};

// Calls f with T = the element type of a buffer; BFloat16 goes through float.
template <class F>
decltype(auto) dispatch_element(DType dtype, F&& f) {
  if (dtype == DType::kBFloat16) return std::forward<F>(f).template operator()<BFloat16>();
  return dispatch_float(dtype, "harness", std::forward<F>(f));
}

template <class T>
T narrowed(double value) {
  if constexpr (std::is_same_v<T, BFloat16>)
    return to_bfloat16(static_cast<float>(value));
  else
    return static_cast<T>(value);
}
template <class T>
double widened(T value) {
  if constexpr (std::is_same_v<T, BFloat16>)
    return to_float(value);
  else
    return static_cast<double>(value);
}

std::vector<std::byte> encode(const std::vector<double>& values, DType dtype) {
  return dispatch_element(dtype, [&]<class T>() {
    std::vector<std::byte> out(values.size() * sizeof(T));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const T value = narrowed<T>(values[i]);
      std::memcpy(out.data() + i * sizeof(T), &value, sizeof(T));
    }
    return out;
  });
}

std::vector<double> decode(const std::byte* bytes, std::size_t n, DType dtype) {
  return dispatch_element(dtype, [&]<class T>() {
    std::vector<double> out(n);
    for (std::size_t i = 0; i < n; ++i) {
      T value;
      std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
      out[i] = widened(value);
    }
    return out;
  });
}

// Memory of a backend between canaries.
class Guarded {
 public:
  Guarded(Backend& backend, std::vector<std::byte> content, std::size_t shift)
      : backend_(backend), content_(std::move(content)), front_(kGuard + shift) {
    whole_.assign(front_ + content_.size() + kGuard, kCanary);
    std::copy(content_.begin(), content_.end(), whole_.begin() + static_cast<std::ptrdiff_t>(front_));
    base_ = static_cast<std::byte*>(backend_.allocate(whole_.size()));
    backend_.upload(base_, whole_.data(), whole_.size());
  }
  ~Guarded() { backend_.release(base_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  void* data() const { return base_ + front_; }
  /// Brings the content back; true if the canaries stand.
  bool fetch() {
    backend_.download(whole_.data(), base_, whole_.size());
    bool intact = true;
    for (std::size_t i = 0; i < whole_.size(); ++i)
      if ((i < front_ || i >= front_ + content_.size()) && whole_[i] != kCanary) intact = false;
    return intact;
  }
  const std::byte* fetched() const { return whole_.data() + front_; }
  bool unchanged() const { return std::equal(content_.begin(), content_.end(), fetched()); }

 private:
  Backend& backend_;
  std::vector<std::byte> content_, whole_;
  std::size_t front_;
  std::byte* base_;
};

// The buffers of one run.
class Memory {
 public:
  Memory(Backend& backend, const RunOptions& options) : backend_(backend), options_(options) {}

  void* add(const std::string& name, const std::vector<double>& values, DType dtype) {
    return add(name, encode(values, dtype), size_of(dtype));
  }
  void* add(const std::string& name, const std::vector<std::int32_t>& values) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    return add(name, {bytes, bytes + values.size() * sizeof(std::int32_t)}, sizeof(std::int32_t));
  }
  void fetch_all(const std::string& where) {
    for (auto& [name, buffer] : buffers_) EXPECT_TRUE(buffer.fetch()) << where << ": written outside of " << name;
  }
  const Guarded& at(const std::string& name) const { return buffers_.at(name); }
  const std::map<std::string, Guarded>& all() const { return buffers_; }

 private:
  void* add(const std::string& name, std::vector<std::byte> bytes, std::size_t element) {
    const std::size_t shift = options_.unaligned ? element : 0;
    return buffers_.try_emplace(name, backend_, std::move(bytes), shift).first->second.data();
  }
  Backend& backend_;
  const RunOptions& options_;
  std::map<std::string, Guarded> buffers_;
};

std::vector<double> poison(std::int64_t n) {
  return std::vector<double>(static_cast<std::size_t>(n), std::numeric_limits<double>::quiet_NaN());
}

std::vector<double> prior(std::int64_t n) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(prior_gradient(i));
  return out;
}

DType dtype_of(const Output& output, DType dtype) {
  if (output.float64) return DType::kFloat64;
  return output.statistic ? statistics_dtype(dtype) : dtype;
}

// Of an input, or of the upstream gradient of an output.
DType dtype_of(const OpCase& op, const std::string& name, DType dtype) {
  for (const FloatInput& input : op.inputs)
    if (input.name == name) return input.statistic ? statistics_dtype(dtype) : dtype;
  for (const Output& output : op.outputs)
    if ("d" + output.name == name) return dtype_of(output, dtype);
  return dtype;
}

}  // namespace

Values rounded_inputs(const OpCase& op, const Values& inputs, DType dtype) {
  Values out = inputs;
  for (auto& [name, values] : out) {
    const DType own = dtype_of(op, name, dtype);
    values = decode(encode(values, own).data(), values.size(), own);
  }
  return out;
}

double prior_gradient(std::int64_t i) {
  return 0.25 * static_cast<double>(i % 7) - 0.5;
}

Values random_inputs(const OpCase& op, std::uint32_t seed) {
  std::mt19937 engine(seed);
  const auto draw = [&](std::int64_t n, double low, double high, double gap) {
    std::uniform_real_distribution<double> uniform(low, high);
    std::vector<double> out;
    while (static_cast<std::int64_t>(out.size()) < n) {
      const auto value = static_cast<double>(static_cast<float>(uniform(engine)));
      if (std::fabs(value) >= gap) out.push_back(value);
    }
    return out;
  };
  Values out;
  // A shuffled row of equally spaced values for each column.
  const auto draw_columns = [&](const FloatInput& input) {
    const std::int64_t rows = input.n / input.columns;
    std::vector<double> column, matrix(static_cast<std::size_t>(input.n));
    for (std::int64_t n = 0; n < rows; ++n)
      column.push_back(static_cast<float>(input.low + (input.high - input.low) * static_cast<double>(n) /
                                                          static_cast<double>(rows)));
    for (std::int64_t c = 0; c < input.columns; ++c) {
      std::shuffle(column.begin(), column.end(), engine);
      for (std::int64_t n = 0; n < rows; ++n)
        matrix[static_cast<std::size_t>(n * input.columns + c)] = column[static_cast<std::size_t>(n)];
    }
    return matrix;
  };
  for (const FloatInput& input : op.inputs)
    out[input.name] = input.columns > 0 ? draw_columns(input) : draw(input.n, input.low, input.high, input.gap);
  for (const Output& output : op.outputs)
    if (output.differentiable) out["d" + output.name] = draw(output.n, -1, 1, 0);
  return out;
}

Values run(const OpCase& op, Backend& backend, const Values& inputs, const RunOptions& options) {
  const std::string where = op.name() + " on " + backend.name() + ", " + name_of(options.dtype);
  const bool backward = options.backward && op.backward != nullptr;
  Memory memory(backend, options);
  Call call(backend, options.dtype);
  for (const auto& [name, values] : inputs)
    call.bind(name, memory.add(name, values, dtype_of(op, name, options.dtype)));
  std::vector<IntInput> ints = op.ints;
  ints.insert(ints.end(), options.further.begin(), options.further.end());
  for (const IntInput& input : ints) call.bind(input.name, memory.add(input.name, input.values));
  for (const DoubleInput& input : op.doubles)
    call.bind(input.name, memory.add(input.name, input.values, DType::kFloat64));
  for (const Output& output : op.outputs)
    call.bind(output.name, memory.add(output.name, poison(output.n), dtype_of(output, options.dtype)));
  if (backward)
    for (const FloatInput& input : op.inputs) {
      if (!input.differentiable || input.name == options.unwanted) continue;
      const bool add = options.mode == GradMode::kAccumulate && op.grads_accumulate;
      call.bind_grad(input.name, {memory.add("grad " + input.name, add ? prior(input.n) : poison(input.n),
                                             dtype_of(op, input.name, options.dtype)),
                                  options.mode});
    }
  op.forward(call);
  if (backward) op.backward(call);
  memory.fetch_all(where);

  for (const auto& [name, values] : inputs)
    EXPECT_TRUE(memory.at(name).unchanged()) << where << ": input " << name << " was changed";
  for (const IntInput& input : ints)
    EXPECT_TRUE(memory.at(input.name).unchanged()) << where << ": " << input.name << " was changed";
  for (const DoubleInput& input : op.doubles)
    EXPECT_TRUE(memory.at(input.name).unchanged()) << where << ": " << input.name << " was changed";
  Values out;
  const auto collect = [&](const std::string& name, std::int64_t n, DType dtype) {
    out[name] = decode(memory.at(name).fetched(), static_cast<std::size_t>(n), dtype);
    for (std::size_t i = 0; i < out[name].size(); ++i)
      if (std::isnan(out[name][i])) {
        ADD_FAILURE() << where << ": " << name << "[" << i << "] was not written, or is NaN";
        break;
      }
  };
  for (const Output& output : op.outputs) collect(output.name, output.n, dtype_of(output, options.dtype));
  for (const FloatInput& input : op.inputs)
    if (memory.all().contains("grad " + input.name))
      collect("grad " + input.name, input.n, dtype_of(op, input.name, options.dtype));
  return out;
}

void expect_close(const std::string& what, const std::vector<double>& values, const std::vector<double>& reference,
                  Tolerance tolerance, DType dtype) {
  ASSERT_EQ(values.size(), reference.size()) << what;
  const double eps = dtype == DType::kBFloat16  ? 0x1p-7
                     : dtype == DType::kFloat32 ? std::numeric_limits<float>::epsilon()
                                                : std::numeric_limits<double>::epsilon();
  double squares = 0, finite = 0;
  for (double r : reference)
    if (std::isfinite(r)) squares += r * r, ++finite;
  const double rms = finite > 0 ? std::sqrt(squares / finite) : 0;
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == reference[i]) continue;
    const double allowed = eps * (tolerance.relative * std::fabs(reference[i]) + tolerance.typical * rms);
    const double error = std::fabs(values[i] - reference[i]);
    const double excess =
        std::isfinite(error) && allowed > 0 ? error / allowed : std::numeric_limits<double>::infinity();
    if (excess > worst) worst = excess, at = i;
  }
  EXPECT_LE(worst, 1.0) << what << "[" << at << "] = " << values[at] << ", reference " << reference[at] << ", rms "
                        << rms;
}

void expect_all_close(const OpCase& op, const Values& values, const Values& reference, DType dtype) {
  ASSERT_EQ(values.size(), reference.size()) << op.name();
  for (const auto& [name, expected] : reference)
    expect_close(op.name() + ": " + name, values.at(name), expected,
                 dtype == DType::kBFloat16 ? in_bfloat16(op.tolerance) : op.tolerance, dtype);
}

std::string case_name(const ::testing::TestParamInfo<OpCase>& info) {
  std::string out = info.param.op + "_" + info.param.label;
  for (char& c : out)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return out;
}

void PrintTo(const OpCase& op, std::ostream* out) {
  *out << op.name();
}

}  // namespace attune::testing
