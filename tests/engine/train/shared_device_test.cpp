// Devices of several processes that exchange gradients without their hosts. Under mpirun with 2 to 4 processes
// (CMakeLists.txt), by a stand-in for NCCL on the simulated device (tests/support/nccl).
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/tensor/captured_work.h"
#include "engine/tensor/exchange_stream.h"
#include "engine/tensor/side_work.h"
#include "engine/train/device_gradient_sums.h"
#include "engine/train/gradient_sums.h"
#include "kernels/cuda/context.h"
#include "kernels/fill.h"
#include "tests/engine/train/train_fixture.h"
#include "tests/support/message_of.h"
#include "tests/support/processes.h"

namespace attune::testing {
namespace {

constexpr DType kFloat = DType::kFloat32;

// Random numbers of very different sizes: their sum depends on the order.
Tensor random_tensor(std::int64_t n, unsigned seed, DType dtype) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = static_cast<float>(random()) * (random() % 2 == 0 ? 1.0f : -1e-3f);
  return Tensor::from(values, {n}).cast(dtype).to(Device::kCuda);
}

std::vector<float> on_host(const Tensor& x) {
  const Tensor host = x.to(Device::kCpu).cast(kFloat);
  return {host.values<float>().begin(), host.values<float>().end()};
}

#define SKIP_WITHOUT_DEVICES() \
  if (joined_devices() == nullptr) GTEST_SKIP() << "one process, or no NCCL"

TEST(DeviceExchange, MovesPartsBetweenDevicesAlsoInGraphs) {
  SKIP_WITHOUT_DEVICES();
  DeviceExchange& devices = *joined_devices();
  const ExchangeStream& stream = ExchangeStream::get();
  const std::int64_t world = devices.world(), rank = devices.rank();
  for (const std::int64_t n : {1, 1000, 300000}) {  // the last in several pieces
    // Rank r sends 10 r + s to rank s, plus the number of the pass.
    const auto values = [&](float pass) {
      std::vector<float> out;
      for (std::int64_t s = 0; s < world; ++s)
        out.insert(out.end(), static_cast<std::size_t>(n), static_cast<float>(10 * rank + s) + pass);
      return Tensor::from(out, {world, n});
    };
    const Tensor sent = values(0).to(Device::kCuda), received = Tensor::zeros({world, n}, kFloat, Device::kCuda);
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(float);
    const auto work = [&] {
      stream.follow();
      devices.exchange(sent.raw(), received.raw(), bytes, stream.native());
      devices.gather(sent.raw(), bytes, stream.native());
      stream.join();
    };
    const auto expect = [&](float pass) {
      const std::vector<float> parts = on_host(received), all = on_host(sent);
      for (std::int64_t r = 0; r < world; ++r)
        for (std::int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<std::size_t>(r * n + i);
          ASSERT_EQ(parts[at], static_cast<float>(10 * r + rank) + pass) << n << " " << r << " " << i;
          ASSERT_EQ(all[at], static_cast<float>(10 * r + r) + pass) << n << " " << r << " " << i;
        }
    };
    work();
    expect(0);
    const CapturedWork graph(work);
    for (const float pass : {1.0f, 2.0f}) {
      sent.copy_from(values(pass));
      graph.replay();
      expect(pass);
    }
  }
}

// Parameters of both types, of which some have no gradient.
std::vector<NamedParameter> parameters() {
  std::vector<NamedParameter> out;
  for (const std::int64_t n : {1000, 7, 300, 5000, 1, 129, 64, 40}) {
    const std::string name = std::to_string(n);
    const DType dtype = n % 2 == 0 ? DType::kBFloat16 : kFloat;
    out.push_back({name, Parameter(Tensor::zeros({n}, dtype, Device::kCuda), Parameter::Rounding::kAllowed)});
  }
  return out;
}

// A pass that gives the gradients in the opposite order, some of them in two steps.
template <class Sums>
void run_pass(Sums& sums, const std::vector<NamedParameter>& of, unsigned seed) {
  for (const auto& [name, parameter] : of) parameter.grad().clear();
  sums.begin();
  for (std::size_t i = of.size() - 1; i > 0; --i) {  // the first has none
    const auto number = static_cast<unsigned>(i);
    const Parameter& parameter = of[i].parameter;
    const std::int64_t n = parameter.shape().numel();
    parameter.grad().add(random_tensor(n, seed + number, parameter.late_value().dtype()));
    if (i % 3 == 0 && i + 1 < of.size())
      of[i + 1].parameter.grad().add(random_tensor(of[i + 1].parameter.shape().numel(), seed + 100 + number,
                                                   of[i + 1].parameter.late_value().dtype()));
    sums.look();
  }
  sums.finish();
}

TEST(DeviceGradientSums, HaveTheBitsOfSumsOnTheHost) {
  SKIP_WITHOUT_DEVICES();
  const std::vector<NamedParameter> on_devices = parameters(), through_hosts = parameters();
  DeviceGradientSums sums(*joined_devices(), on_devices, 400);
  GradientSums expected(joined_processes(), through_hosts);
  for (unsigned pass = 0; pass < 3; ++pass) {
    const unsigned seed = 1000 * pass + 10000 * static_cast<unsigned>(joined_processes().rank());
    run_pass(sums, on_devices, seed);
    run_pass(expected, through_hosts, seed);
    EXPECT_FALSE(on_devices[0].parameter.grad().defined());
    for (std::size_t i = 1; i < on_devices.size(); ++i)
      EXPECT_EQ(on_host(on_devices[i].parameter.grad().tensor()), on_host(through_hosts[i].parameter.grad().tensor()))
          << pass << " " << on_devices[i].name;
  }
  EXPECT_EQ(sums.buckets(), 4u);  // 7, 129 and 1; 5000; 300 and others; the rest
}

// Gradients that a second stream writes, and that wait for a common launch.
TEST(DeviceGradientSums, WaitForSideWork) {
  SKIP_WITHOUT_DEVICES();
  const auto parameter = [] {
    return Parameter(Tensor::zeros({100}, kFloat, Device::kCuda), Parameter::Rounding::kAllowed);
  };
  const Parameter weight = parameter(), bias = parameter(), first = parameter();
  DeviceGradientSums sums(*joined_devices(), {{"weight", weight}, {"bias", bias}, {"first", first}}, 200);
  for (int pass = 0; pass < 3; ++pass) {
    for (const Parameter& each : {weight, bias, first}) each.grad().clear();
    const auto value = static_cast<float>(10 * pass + joined_processes().rank() + 1);
    const Tensor rows = Tensor::from(std::vector<float>(200, value), {2, 100}).to(Device::kCuda);
    SideWork side;
    sums.begin();
    side.run({}, [&, target = weight.grad().target().tensor](const kernels::CudaContext& context) {
      kernels::fill(context, {.y = target.raw(), .n = 100, .value = value, .dtype = kFloat});
    });
    side.sum_columns({.out = bias.grad().target().out(),
                      .second = {},
                      .x = rows.raw(),
                      .rows = 2,
                      .channels = 100,
                      .row_stride = 100,
                      .dtype = kFloat},
                     rows);
    sums.look();
    ExchangeStream::get().context().stream().synchronize();  // runs only what the exchange waits for
    first.grad().add(rows.view({200}).rows(0, 100));
    sums.look();
    side.join();
    sums.finish();
    float sum = 0;
    for (int r = 0; r < joined_processes().world(); ++r) sum += static_cast<float>(10 * pass + r + 1);
    EXPECT_EQ(on_host(weight.grad().tensor()), std::vector<float>(100, sum)) << pass;
    EXPECT_EQ(on_host(bias.grad().tensor()), std::vector<float>(100, 2 * sum)) << pass;
    EXPECT_EQ(on_host(first.grad().tensor()), std::vector<float>(100, sum)) << pass;
  }
}

TEST(DeviceGradientSums, AddLossesAsTheHostDoes) {
  SKIP_WITHOUT_DEVICES();
  DeviceGradientSums sums(*joined_devices(), parameters());
  GradientSums expected(joined_processes(), parameters());
  for (unsigned i = 0; i < 20; ++i) {
    const Tensor mine = random_tensor(1, 100 * i + static_cast<unsigned>(joined_processes().rank()), kFloat);
    const std::vector<float> sum = on_host(expected.sum(mine, 1.0 / 3));
    EXPECT_EQ(on_host(sums.sum(mine, 1.0 / 3)), sum);
    const Tensor share = Tensor::from(std::vector<double>{1.0 / 3}, {1}).to(Device::kCuda);
    EXPECT_EQ(on_host(sums.sum(mine, share)), sum);
  }
}

// Counts calls; nothing is moved.
class Counted : public DeviceExchange {
 public:
  int rank() const override { return 1; }
  int world() const override { return 2; }
  void exchange(const void*, void*, std::size_t bytes, void*) override { exchanged.push_back(bytes); }
  void gather(void*, std::size_t, void*) override { ++gathered; }
  std::string failure() override { return {}; }
  void abort() override {}

  std::vector<std::size_t> exchanged;  // bytes of a part
  int gathered = 0;
};

TEST(DeviceGradientSums, StartABucketAsSoonAsItIsFinal) {
  Counted devices;
  std::vector<NamedParameter> of;
  for (const char* name : {"a", "b", "c"})
    of.push_back({name, Parameter(Tensor::zeros({100}, kFloat, Device::kCuda), Parameter::Rounding::kAllowed)});
  DeviceGradientSums sums(devices, of, 200);
  const auto write = [&](std::size_t i) {
    of[i].parameter.grad().add(Tensor::zeros({100}, kFloat, Device::kCuda));
    sums.look();
  };
  std::vector<const void*> homes;
  for (int pass = 0; pass < 3; ++pass) {
    for (const NamedParameter& named : of) named.parameter.grad().clear();
    devices.exchanged.clear();
    sums.begin();
    std::vector<std::size_t> started;
    for (const std::size_t i : {2, 1, 0}) {
      write(i);
      started.push_back(devices.exchanged.size());
    }
    sums.finish();
    EXPECT_EQ(started, pass == 0 ? (std::vector<std::size_t>{0, 0, 0}) : (std::vector<std::size_t>{0, 1, 2}));
    EXPECT_EQ(devices.exchanged, (std::vector<std::size_t>{512, 256})) << "halves of two buckets";
    // The gradients lie in the buckets, one after the other, at every pass.
    std::vector<const void*> now;
    for (const NamedParameter& named : of) now.push_back(named.parameter.grad().tensor().raw());
    if (pass > 0) {
      EXPECT_EQ(now, homes);
    }
    homes = now;
    EXPECT_EQ(static_cast<const char*>(now[1]) - static_cast<const char*>(now[2]), 512);
  }
}

TEST(DeviceGradientSums, LeaveGradientsInBytesOfTheirOwn) {
  Counted devices;
  const Parameter weight(Tensor::zeros({100}, kFloat, Device::kCuda), Parameter::Rounding::kAllowed);
  {
    DeviceGradientSums sums(devices, {{"weight", weight}});
    sums.begin();
    weight.grad().add(Tensor::zeros({100}, kFloat, Device::kCuda));
    sums.look();
    sums.finish();
    EXPECT_FALSE(weight.grad().tensor().unique());
  }
  EXPECT_FALSE(weight.grad().defined());
  weight.grad().add(Tensor::zeros({100}, kFloat, Device::kCuda));
  EXPECT_TRUE(weight.grad().tensor().unique());
}

TEST(DeviceGradientSums, RefuseGradientsUnlikeThoseOfTheFirstPass) {
  Counted devices;
  const auto parameter = [] {
    return Parameter(Tensor::zeros({3}, kFloat, Device::kCuda), Parameter::Rounding::kAllowed);
  };
  const Parameter always = parameter(), later = parameter();
  DeviceGradientSums sums(devices, {{"always", always}, {"later", later}});
  const auto pass = [&](int writes, bool both) {
    for (const Parameter& each : {always, later}) each.grad().clear();
    sums.begin();
    for (int i = 0; i < writes; ++i) always.grad().add(Tensor::zeros({3}, kFloat, Device::kCuda));
    if (both) later.grad().add(Tensor::zeros({3}, kFloat, Device::kCuda));
    sums.look();
    sums.finish();
  };
  pass(1, false);
  pass(1, false);
  EXPECT_EQ(message_of([&] { pass(1, true); }),
            "the parameter later has a gradient, unlike at the first step of this process");
  EXPECT_EQ(message_of([&] { pass(0, false); }),
            "the parameter always has no gradient, unlike at the first step of this process");
  EXPECT_EQ(message_of([&] { pass(2, false); }),
            "the gradient of always was written to another number of times than at the first step");
}

struct Case {
  const char* name;
  DType dtype = DType::kFloat32;
  bool packed = true;
  float dropout = 0;
  std::int64_t accumulation_steps = 1;
  std::vector<double> class_weights = {};
  std::size_t examples = 36;  // three steps
};

// What is the same for all ways to add gradients.
struct Outcome {
  std::vector<double> losses, norms;
  std::vector<float> weights;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

enum class Way : std::uint8_t { kAlone, kHosts, kDevices, kDevicesInGraphs };

class SharedDevices : public ::testing::TestWithParam<Case> {
 protected:
  static Outcome run(Way way, std::int64_t* graphs = nullptr) {
    const Case& of = GetParam();
    const Gpt2Config config{.vocab_size = 100,
                            .n_positions = 8,
                            .n_embd = 8,
                            .n_layer = 1,
                            .n_head = 2,
                            .n_inner = 8,
                            .embd_pdrop = of.dropout,
                            .attn_pdrop = of.dropout,
                            .resid_pdrop = of.dropout};
    const Dataset examples = invented_examples(of.examples, 8, 99, 4);
    const auto model = started_model(config, kFloat);
    const std::unique_ptr<Task> task = make_task(
        "single_label_classification", {.outputs = 2, .device = Device::kCuda, .class_weights = of.class_weights});
    place(*model, Device::kCuda, of.dtype);
    TrainOptions options;
    options.batch_size = 12;
    options.accumulation_steps = of.accumulation_steps;
    options.eval_every = 0;
    options.eval_batches = 1;
    options.schedule.peak = 1e-3;
    options.adamw.max_grad_norm = 0.5;
    options.graphs = way == Way::kDevicesInGraphs;
    options.exchange_bucket = 400;
    Trainer trainer(
        *model, [&](const TokenBatch& batch, const ForwardPass& pass) { return model->forward(batch, pass); }, *task,
        {.train = examples,
         .validation = examples,
         .form = {.max_length = 8, .pad_id = 99, .packed = of.packed, .mask = true},
         .device = Device::kCuda,
         .processes = way == Way::kAlone ? single_process() : joined_processes(),
         .devices = way == Way::kDevices || way == Way::kDevicesInGraphs ? joined_devices() : nullptr},
        options);
    Recorder recorder;
    trainer.run(recorder, [] { return false; });
    if (graphs != nullptr) *graphs = trainer.graphs();
    Outcome out{.losses = losses_of(recorder), .norms = {}, .weights = {}};
    for (const StepRecord& step : recorder.steps) out.norms.push_back(step.grad_norm.value_or(-1));
    for (const auto& [name, parameter] : parameters_of(*model)) {
      const std::vector<float> values = on_host(parameter.exact());
      out.weights.insert(out.weights.end(), values.begin(), values.end());
    }
    return out;
  }
};

TEST_P(SharedDevices, HaveTheBitsOfSumsOnTheHostAndTheNumbersOfOneProcess) {
  SKIP_WITHOUT_DEVICES();
  std::int64_t graphs = 0;
  const Outcome hosts = run(Way::kHosts), devices = run(Way::kDevices), replayed = run(Way::kDevicesInGraphs, &graphs);
  EXPECT_TRUE(devices == hosts);
  EXPECT_TRUE(replayed == hosts);
  if (GetParam().accumulation_steps > 1) {
    EXPECT_EQ(graphs, 0);
  } else if (!GetParam()
                  .packed) {  // one shape: the second step is captured, and replayed with the numbers of the third
    EXPECT_EQ(graphs, 1);
  }
  for (const std::string& other : joined_processes().gather(std::to_string(graphs)))
    EXPECT_EQ(other, std::to_string(graphs)) << "graphs are captured by all ranks or by none";
  // All ranks have the same.
  const std::string_view mine(reinterpret_cast<const char*>(devices.weights.data()),
                              devices.weights.size() * sizeof(float));
  for (const std::string& other : joined_processes().gather(mine)) EXPECT_EQ(other, mine);

  const Outcome alone = run(Way::kAlone);
  const double tolerance = GetParam().dtype == kFloat ? 1e-6 : 2e-2;  // a bfloat16 sum is rounded once more
  ASSERT_EQ(devices.losses.size(), alone.losses.size());
  for (std::size_t i = 0; i < alone.losses.size(); ++i) EXPECT_NEAR(devices.losses[i], alone.losses[i], tolerance) << i;
}

INSTANTIATE_TEST_SUITE_P(All, SharedDevices,
                         ::testing::Values(Case{.name = "Packed", .dropout = 0.1f, .examples = 108},
                                           Case{.name = "PaddedBFloat16", .dtype = DType::kBFloat16, .packed = false},
                                           Case{.name = "Accumulated", .accumulation_steps = 2},
                                           Case{.name = "Weighted", .packed = false, .class_weights = {0.3, 2.5}}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace attune::testing
