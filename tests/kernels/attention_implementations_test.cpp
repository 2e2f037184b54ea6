// Every implementation of attention on the device against float64 in bfloat16: our own, and cuDNN's where the build has it.
// They need agree only where somebody reads: rows behind the keys of their sequence are queries to one and not to the other,
// and get no upstream gradient, as in a model.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "kernels/cuda/cudnn_attention.h"
#include "kernels/cuda/device_info.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/harness.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

using namespace kernels;

// What cuDNN has a kernel for on this device.
std::vector<AttentionSpec> common_specs() {
  std::vector<AttentionSpec> out;
  for (AttentionSpec& spec : attention_test_specs()) {
    const bool uniform = std::ranges::count(spec.lengths, spec.lengths[0]) == std::ssize(spec.lengths);
    if (spec.p == 0 && spec.head_size % 8 == 0 && (uniform || cuda::device_info().compute_capability >= 90))
      out.push_back(std::move(spec));
  }
  return out;
}

// Sets the rows that nobody reads, of `width` values each, to zero.
void drop_padding(std::vector<double>& values, const AttentionSpec& spec) {
  const auto rows = static_cast<std::size_t>(std::accumulate(spec.lengths.begin(), spec.lengths.end(), 0));
  const std::size_t width = values.size() / rows;
  std::size_t row = 0;
  for (std::size_t b = 0; b < spec.lengths.size(); ++b)
    for (std::int32_t t = 0; t < spec.lengths[b]; ++t, ++row)
      if (!spec.key_lengths.empty() && t >= spec.key_lengths[b])
        std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(row * width), width, 0.0);
}

void expect_agreement(CudaBackend& backend, const std::string& whose) {
  for (const AttentionSpec& spec : common_specs()) {
    const OpCase op = attention_case(spec);
    Values inputs = rounded_inputs(op, random_inputs(op), DType::kBFloat16);
    drop_padding(inputs.at("dout"), spec);
    Values reference = run(op, cpu_backend(), inputs, {.dtype = DType::kFloat64});
    Values values = run(op, backend, inputs, {.dtype = DType::kBFloat16});
    for (Values* of : {&reference, &values}) drop_padding(of->at("out"), spec);
    for (const char* name : {"out", "grad qkv"})
      expect_close(whose + " " + spec.label + " " + name, values.at(name), reference.at(name), op.tolerance,
                   DType::kBFloat16);
  }
}

class AttentionImplementations : public OnDevice {};

TEST_F(AttentionImplementations, Own) {
  CudaBackend backend;
  ASSERT_GT(common_specs().size(), 5u);
  expect_agreement(backend, "own");
}

TEST_F(AttentionImplementations, Cudnn) {
  CudaBackend backend;
  if (!cuda::has_cudnn_attention()) {
    EXPECT_THROW(backend.set_cudnn_attention(true), Error);
    GTEST_SKIP() << "built without ATTUNE_CUDNN";
  }
  backend.set_cudnn_attention(true);
  expect_agreement(backend, "cuDNN");
}

TEST_F(AttentionImplementations, CudnnRefusesWhatItHasNot) {
  if (!cuda::has_cudnn_attention()) GTEST_SKIP() << "built without ATTUNE_CUDNN";
  CudaBackend backend;
  backend.set_cudnn_attention(true);
  const auto refuses = [&](const AttentionSpec& spec, DType dtype) {
    const OpCase op = attention_case(spec);
    const Values inputs = rounded_inputs(op, random_inputs(op), dtype);
    EXPECT_THROW(run(op, backend, inputs, {.dtype = dtype}), Error) << spec.label;
  };
  refuses({.label = "float32", .lengths = {16}}, DType::kFloat32);
  refuses({.label = "dropout", .lengths = {16}, .p = 0.1f}, DType::kBFloat16);
  refuses({.label = "odd_head", .lengths = {16}, .head_size = 5}, DType::kBFloat16);
}

}  // namespace
}  // namespace attune::testing
