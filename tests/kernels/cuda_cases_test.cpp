// What the table does not reach on the CUDA backend: scattering runs of equal ids that span several chunks, rows
// without gradient, long column sums, a captured graph that gives the same bits as the calls it recorded, and
// activations of NaN.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/bfloat16.h"
#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/sequence_tables.h"
#include "kernels/dropout.h"
#include "kernels/embedding.h"
#include "kernels/fill.h"
#include "kernels/glu.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/row_gradient.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/device_array.h"
#include "tests/kernels/harness.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

using namespace kernels;

class CudaCases : public OnDevice {};

// `compact`: the gradient is written as values of some rows, and then spread.
OpCase scatter_case(const std::string& label, std::vector<std::int32_t> ids, std::int64_t rows, std::int64_t channels,
                    std::int64_t padding_id, bool compact = false) {
  const auto tokens = static_cast<std::int64_t>(ids.size());
  OpCase op{.op = "embedding_scatter", .label = label, .tolerance = kReduction};
  op.inputs = {{.name = "table", .n = rows * channels}};
  op.ints = {{"ids", std::move(ids)}};
  op.outputs = {{"y", tokens * channels}};
  op.forward = [=](const Call& c) {
    c.run([&](const auto& on) {
      embedding_forward(on, {.y = c["y"],
                             .words = {c["table"], c.ints("ids"), rows},
                             .positions = {},
                             .types = {},
                             .tokens = tokens,
                             .channels = channels,
                             .dtype = c.dtype()});
    });
  };
  op.backward = [=](const Call& c) {
    EmbeddingBackward args{.dtable = c.grad("table"),
                           .dy = c["dy"],
                           .ids = c.ints("ids"),
                           .rows = rows,
                           .tokens = tokens,
                           .channels = channels,
                           .padding_id = padding_id,
                           .dtype = c.dtype()};
    if (!compact) return c.run([&](const auto& on) { embedding_backward(on, args); });
    const std::vector<std::int32_t> zeros(static_cast<std::size_t>(rows) + 1);
    const std::size_t bytes = zeros.size() * sizeof(std::int32_t);
    args.marks = static_cast<std::int32_t*>(c.backend().allocate(bytes));
    args.dtable = {c.backend().allocate(static_cast<std::size_t>(tokens * channels) * size_of(c.dtype()))};
    args.compact = true;
    c.backend().upload(args.marks, zeros.data(), bytes);
    c.run([&](const auto& on) {
      embedding_backward(on, args);
      spread_row_gradient(on, {.dense = c.grad("table").data,
                               .values = args.dtable.data,
                               .marks = {.marks = args.marks, .steps = args.marks + rows, .rows = rows},
                               .slots = tokens,
                               .channels = channels,
                               .every_row = false,
                               .dtype = c.dtype()});
    });
    c.backend().release(args.dtable.data);
    c.backend().release(args.marks);
  };
  op.grads_accumulate = !compact;
  return op;
}

// Runs of the given lengths, their tokens dealt out one by one in turn.
std::vector<std::int32_t> dealt(std::vector<int> lengths) {
  std::vector<std::int32_t> ids;
  for (bool any = true; any;) {
    any = false;
    for (std::size_t id = 0; id < lengths.size(); ++id)
      if (lengths[id]-- > 0) ids.push_back(static_cast<std::int32_t>(id)), any = true;
  }
  return ids;
}

TEST_F(CudaCases, ScatterOfLongRuns) {
  CudaBackend backend;
  std::vector<OpCase> cases;
  for (std::int64_t padding : {-1, 1})
    for (bool compact : {false, true}) {
      const std::string suffix = str_cat(padding < 0 ? "" : "_padding", compact ? "_compact" : "");
      const auto add = [&](const char* label, std::vector<std::int32_t> ids, std::int64_t rows, std::int64_t channels) {
        cases.push_back(scatter_case(label + suffix, std::move(ids), rows, channels, padding, compact));
      };
      add("one_id", std::vector<std::int32_t>(300, 1), 3, 16);
      add("two_ids", dealt({150, 151}), 2, 17);
      add("chunk_edges", dealt({32, 64, 31, 33, 1, 95, 0, 65}), 9, 8);
      add("exactly_one_chunk", dealt({16, 16}), 2, 4);
      add("one_id_in_many_chunks", dealt({40, 1100, 30}), 3, 8);
      add("many_ids", dealt(std::vector<int>(120, 3)), 130, 5);
    }
  for (const OpCase& op : cases)
    for (DType dtype : {DType::kFloat32, DType::kBFloat16})
      for (GradMode mode : {GradMode::kWrite, GradMode::kAccumulate}) {
        if (!op.grads_accumulate && (dtype == DType::kBFloat16 || mode == GradMode::kAccumulate)) continue;
        const Values inputs = rounded_inputs(op, random_inputs(op), dtype);
        const Values reference = run(op, cpu_backend(), inputs, {.dtype = DType::kFloat64, .mode = mode});
        cuda::set_schedule_seed(1);
        const Values values = run(op, backend, inputs, {.dtype = dtype, .mode = mode});
        expect_all_close(op, values, reference, dtype);
        cuda::set_schedule_seed(2);
        EXPECT_EQ(run(op, backend, inputs, {.dtype = dtype, .mode = mode}), values) << op.name();
      }
}

// A piece of a training step: dropout, layer norm backward (scratch memory, two launches of column sums), the
// gradient's norm, clipping and AdamW (a constant table), replayed with other scalars and another step of the dropout.
TEST_F(CudaCases, CapturedGraphGivesTheSameBits) {
  constexpr std::int64_t kRows = 300, kChannels = 24;
  const CudaContext context;
  const auto on_device = [&](std::int64_t n, float slope) {
    std::vector<float> values(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = slope * static_cast<float>(static_cast<int>(i * 37 % 101) - 50);
    cuda::Buffer buffer(values.size() * sizeof(float));
    cuda::copy_to_device(buffer.data(), values.data(), buffer.bytes(), context.stream());
    return buffer;
  };
  const cuda::Buffer x = on_device(kRows * kChannels, 0.1f), dy = on_device(kRows * kChannels, 0.02f),
                     mean = on_device(kRows, 0.0f), rstd = on_device(kRows, 0.01f), keys = on_device(kRows, 0.1f),
                     dropped = on_device(kRows * kChannels, 0.0f), dweight = on_device(kChannels, 0.0f),
                     scalars(sizeof(AdamWScalars)), norm(sizeof(double)), scale(sizeof(double)),
                     stop = on_device(2, 0.0f), step_at(sizeof(std::uint32_t));
  const auto step = [&](const cuda::Buffer& weight, std::span<const AdamWTensor> tensors) {
    dropout(context, {.y = dropped.data(),
                      .x = dy.data(),
                      .rows = kRows,
                      .channels = kChannels,
                      .mask = {.p = 0.5f,
                               .row_keys = static_cast<const std::uint32_t*>(keys.data()),
                               .step_at = static_cast<const std::uint32_t*>(step_at.data())},
                      .dtype = DType::kFloat32});
    layernorm_backward(context, {.dx = {},
                                 .dresidual = {},
                                 .dweight = {dweight.data()},
                                 .dbias = {},
                                 .dy = dropped.data(),
                                 .dsum = nullptr,
                                 .sum = x.data(),
                                 .mean = mean.data(),
                                 .rstd = rstd.data(),
                                 .weight = weight.data(),
                                 .residual = false,
                                 .rows = kRows,
                                 .channels = kChannels,
                                 .dropout = {},
                                 .dtype = DType::kFloat32});
    const GradNormTensor gradient{dweight.data(), kChannels, DType::kFloat32};
    grad_norm(context, {.norm = static_cast<double*>(norm.data()), .tensors = {&gradient, 1}});
    clip_scale(context, {.scale = static_cast<double*>(scale.data()),
                         .stop = static_cast<double*>(stop.data()),
                         .norm = static_cast<const double*>(norm.data()),
                         .max_norm = 0.5});
    adamw(context, {.tensors = tensors,
                    .scalars = static_cast<const AdamWScalars*>(scalars.data()),
                    .grad_scale = static_cast<const double*>(scale.data()),
                    .beta1 = 0.9,
                    .beta2 = 0.99,
                    .eps = 1e-8});
  };
  const auto result_of = [&](bool captured, std::uint32_t stride) {
    const cuda::Buffer weight = on_device(kChannels, 0.03f), m = on_device(kChannels, 0.0f),
                       v = on_device(kChannels, 0.0f);
    const AdamWTensor tensors[] = {{.param = weight.data(),
                                    .grad = dweight.data(),
                                    .m = m.data(),
                                    .v = v.data(),
                                    .n = kChannels,
                                    .dtype = DType::kFloat32}};
    std::optional<cuda::Graph> graph;
    if (captured) {
      context.stream().begin_capture();
      step(weight, tensors);
      graph = context.stream().end_capture();
    }
    for (std::uint32_t t = 1; t <= 3; ++t) {
      const AdamWScalars now = adamw_scalars(0.01 * t, 0.1, 0.9, 0.99, t);
      const std::uint32_t dropout_step = t * stride;
      cuda::copy_to_device(scalars.data(), &now, sizeof now, context.stream());
      cuda::copy_to_device(step_at.data(), &dropout_step, sizeof dropout_step, context.stream());
      if (graph)
        graph->launch(context.stream());
      else
        step(weight, tensors);
    }
    std::vector<float> out(kChannels);
    cuda::copy_to_host(out.data(), weight.data(), weight.bytes(), context.stream());
    context.stream().synchronize();
    return out;
  };
  const std::vector<float> direct = result_of(false, 1);
  EXPECT_EQ(result_of(true, 1), direct);
  EXPECT_NE(result_of(true, 0), direct);
  EXPECT_NE(direct, std::vector<float>(kChannels, direct[0]));
}

TEST_F(CudaCases, BFloat16AdamWNeedsAMasterCopy) {
  const CudaContext context;
  const cuda::Buffer memory(64);
  const AdamWTensor tensors[] = {{.param = memory.data(),
                                  .grad = memory.data(),
                                  .m = memory.data(),
                                  .v = memory.data(),
                                  .n = 4,
                                  .dtype = DType::kBFloat16}};
  EXPECT_THROW(adamw(context, {.tensors = tensors,
                               .scalars = static_cast<const AdamWScalars*>(memory.data()),
                               .beta1 = 0,
                               .beta2 = 0,
                               .eps = 1}),
               Error);
}

// TF32 keeps 10 bits of mantissa; what lies halfway goes away from zero.
TEST_F(CudaCases, ProductsInTf32RoundTheirOperands) {
  CudaContext context;
  const std::vector<float> x{1 + 0x1p-11f, 1 + 3 * 0x1p-11f, -1 - 0x1p-10f}, one{1};
  const cuda::Buffer a(x.size() * sizeof(float)), b(sizeof(float)), c(x.size() * sizeof(float));
  cuda::copy_to_device(a.data(), x.data(), a.bytes(), context.stream());
  cuda::copy_to_device(b.data(), one.data(), b.bytes(), context.stream());
  const auto product = [&](cuda::MatmulPrecision precision) {
    context.set_matmul_precision(precision);
    linear_forward(context, {.y = c.data(),
                             .x = a.data(),
                             .weight = b.data(),
                             .bias = nullptr,
                             .rows = 3,
                             .inputs = 1,
                             .outputs = 1,
                             .dtype = DType::kFloat32});
    std::vector<float> out(3);
    cuda::copy_to_host(out.data(), c.data(), c.bytes(), context.stream());
    context.stream().synchronize();
    return out;
  };
  EXPECT_EQ(product(cuda::MatmulPrecision::kFloat32), x);
  if (std::string(cuda::backend_name()) == "simulated") {
    EXPECT_EQ(product(cuda::MatmulPrecision::kTensorFloat32),
              (std::vector<float>{1 + 0x1p-10f, 1 + 0x1p-9f, -1 - 0x1p-10f}));
  }
}

TEST_F(CudaCases, TablesOfSequences) {
  const CudaContext context;
  const std::vector<std::int32_t> offsets{0, 5, 5, 12, 20}, key_lengths{5, 0, 3, 0};
  const cuda::Buffer on_device(offsets.size() * 4), keys_on_device(key_lengths.size() * 4), out(4 * 5 * 4);
  cuda::copy_to_device(on_device.data(), offsets.data(), on_device.bytes(), context.stream());
  cuda::copy_to_device(keys_on_device.data(), key_lengths.data(), keys_on_device.bytes(), context.stream());
  const auto tables = [&](bool masked) {
    auto* first = static_cast<std::int32_t*>(out.data());
    cuda::set_zero(out.data(), out.bytes(), context.stream());
    cuda::sequence_tables(context,
                          {.lengths = first,
                           .strided_places = first + 5,
                           .dense_places = first + 10,
                           .statistic_places = first + 15,
                           .offsets = static_cast<const std::int32_t*>(on_device.data()),
                           .key_lengths = masked ? static_cast<const std::int32_t*>(keys_on_device.data()) : nullptr,
                           .sequences = 4,
                           .row_stride = 300,
                           .width = 100,
                           .heads = 2});
    std::vector<std::int32_t> values(20);
    cuda::copy_to_host(values.data(), out.data(), out.bytes(), context.stream());
    context.stream().synchronize();
    return values;
  };
  // Lengths, and where rows 0, 5, 5, 12 and 20 lie in three matrices.
  const std::vector<std::int32_t> places{0, 1500, 1500, 3600, 6000, 0, 500, 500, 1200, 2000, 0, 10, 10, 24, 40};
  std::vector<std::int32_t> of_keys{5, 0, 3, 0, 0}, of_rows{5, 0, 7, 8, 0};
  of_keys.insert(of_keys.end(), places.begin(), places.end());
  of_rows.insert(of_rows.end(), places.begin(), places.end());
  EXPECT_EQ(tables(true), of_keys);
  EXPECT_EQ(tables(false), of_rows);
}

// f(x) on the device; `gated`: by the gated linear unit, whose gate is 1.
template <class T>
std::vector<T> activated(std::vector<T> x, Activation kind, T one, bool gated) {
  CudaBackend backend;
  const auto size = static_cast<std::int64_t>(x.size());
  const std::size_t bytes = x.size() * sizeof(T);
  std::vector<T> out(x.size());
  if (gated) x.resize(2 * x.size(), one);
  const cuda::Buffer input(x.size() * sizeof(T)), output(bytes);
  backend.upload(input.data(), x.data(), x.size() * sizeof(T));
  const CudaContext& on = *std::get<const CudaContext*>(backend.context());
  if (gated)
    glu_forward(on, {output.data(), input.data(), 1, size, kind, dtype_of<T>::value});
  else
    activation_forward(on, {output.data(), input.data(), size, kind, dtype_of<T>::value});
  backend.download(out.data(), output.data(), bytes);
  return out;
}

// A comparison with NaN is false, and fmaxf(NaN, 0) is 0: either may lose what a run looks for.
TEST_F(CudaCases, ActivationsKeepNaN) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Activation kind : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu, Activation::kTanh})
    for (const std::size_t size : {37U, 64U})  // one by one, and as vectors
      for (const bool gated : {false, true}) {
        std::vector<float> x(size, 0.5F);
        x[size / 2] = kNan;
        std::vector<BFloat16> rounded;
        for (const float value : x) rounded.push_back(to_bfloat16(value));
        const std::vector<float> y = activated(x, kind, 1.0F, gated);
        const std::vector<BFloat16> short_y = activated(rounded, kind, to_bfloat16(1), gated);
        for (std::size_t i = 0; i < size; ++i) {
          EXPECT_EQ(std::isnan(y[i]), i == size / 2) << static_cast<int>(kind) << " of " << size << " at " << i;
          EXPECT_EQ(std::isnan(to_float(short_y[i])), i == size / 2) << static_cast<int>(kind) << " at " << i;
        }
      }
}

// Squares that float32 cannot hold, next to others: large, small, and zero.
TEST_F(CudaCases, TheNormHoldsSquaresOfEveryNumber) {
  CudaBackend backend;
  for (const float size : {1e25f, 1e-25f, 0.0f, 3e15f}) {
    std::vector<float> gradient(50'003);
    double expected = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      gradient[i] = i % 7 == 0 ? 0 : size * std::sin(static_cast<float>(i));
      expected += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    const DeviceArray<float> data(backend, gradient);
    DeviceArray<double> norm(backend, std::vector<double>{-1});
    const GradNormTensor tensor{data.data(), static_cast<std::int64_t>(gradient.size()), DType::kFloat32};
    grad_norm(*std::get<const CudaContext*>(backend.context()),
              {.norm = static_cast<double*>(norm.data()), .tensors = {&tensor, 1}});
    EXPECT_NEAR(norm.values()[0], std::sqrt(expected), 1e-6 * std::sqrt(expected)) << size;
  }
}

TEST_F(CudaCases, TheNormHasItsBitsFromPieces) {
  CudaBackend backend;
  const CudaContext& context = *std::get<const CudaContext*>(backend.context());
  std::vector<float> gradient(3 * kNormPiece + 5);
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = std::sin(static_cast<float>(i));
  const DeviceArray<float> data(backend, gradient);
  DeviceArray<double> sums(backend, std::vector<double>(4, -1)), norms(backend, std::vector<double>(2, -1));
  auto* const norm = static_cast<double*>(norms.data());
  auto* const sum = static_cast<double*>(sums.data());
  const auto* const values = static_cast<const float*>(data.data());
  const GradNormTensor whole{values, std::ssize(gradient), DType::kFloat32}, first{values, kNormPiece, DType::kFloat32},
      rest{values + kNormPiece, std::ssize(gradient) - kNormPiece, DType::kFloat32};
  grad_norm(context, {.norm = norm, .tensors = {&whole, 1}});
  grad_squares(context, {.sums = sum, .tensors = {&first, 1}});
  grad_squares(context, {.sums = sum + 1, .tensors = {&rest, 1}});
  norm_of_squares(context, {.norm = norm + 1, .sums = sum, .pieces = 4});
  EXPECT_EQ(norms.values()[0], norms.values()[1]);
  EXPECT_GT(norms.values()[0], 100);
}

TEST_F(CudaCases, Float64HasNoKernel) {
  const CudaContext context;
  const cuda::Buffer memory(64);
  EXPECT_THROW(fill(context, {.y = memory.data(), .n = 4, .value = 1, .dtype = DType::kFloat64}), Error);
}

}  // namespace
}  // namespace attune::testing
