// The speed of every op of the test table at sizes of real models: time, GB/s of the bytes that must move, GFLOP/s.
//
//   bench_kernels --threads=2 --benchmark_filter='attention.*'
//   bench_kernels --device=cuda --dtype=bfloat16 --benchmark_format=json
//   ATTUNE_SIMULATE_GPU=1 bench_kernels --device=cuda --sizes=tiny --samples=1
//
// Names are op/label/direction on the CPU, with the dtype and the state of the cache after it on a GPU.
//
// On the CPU inputs are read from and written to the same buffers every time, so what fits in a cache stays there; the
// tables of embedding, adamw and grad_norm do not.
//
// On a GPU calls are captured in a graph, enough of them for two milliseconds, and events are recorded around its
// launch: no launch from the host is in the time, but the gap between two kernels of a graph is (fill/1 shows it). A
// figure is the median over --samples launches, after one that does not count; min_us and max_us are the extremes.
// "warm" calls use the same buffers, which a cache of tens of megabytes keeps between calls; "cold" calls cycle through
// copies of 256 MiB in total (at most 64). A training step lies between the two: outputs of the previous kernel are
// warm, weights are cold. attention_cudnn/... is the same op by NVIDIA's cuDNN, in builds that have it (ATTUNE_CUDNN).
// ceiling/... is the best speed of the card: a copy of 1 GiB and a product of 8192 x 8192 matrices.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "bench/op_buffers.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/cudnn_attention.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/memory.h"
#include "tests/kernels/attention_case.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/op_case.h"

namespace attune::testing {
namespace {

using namespace kernels;

struct Options {
  bool cuda = false;
  std::vector<DType> dtypes = {DType::kFloat32};
  SpeedSizes sizes = SpeedSizes::kReal;
  int samples = 9;
};

void count(benchmark::State& state, double bytes, double flops) {
  const auto rate = [](double per_call) {
    return benchmark::Counter(1e-9 * per_call, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["bytes"] = bytes;
  state.counters["GB/s"] = rate(bytes);
  if (flops == 0) return;
  state.counters["flops"] = flops;
  state.counters["GFLOP/s"] = rate(flops);
}

// The buffers of one case, made when its first benchmark runs and dropped when the next case's does.
const OpBuffers& buffers_of(const OpCase& op, Backend& backend, DType dtype) {
  static std::string key;
  static std::unique_ptr<OpBuffers> buffers;
  const std::string wanted = backend.name() + op.name() + name_of(dtype);
  if (key != wanted) {
    key.clear();
    buffers.reset();
    buffers = std::make_unique<OpBuffers>(op, backend, dtype);
    key = wanted;
  }
  return *buffers;
}

void measure_on_cpu(benchmark::State& state, const OpCase& op, bool backward) {
  const Call& call = buffers_of(op, cpu_backend(), DType::kFloat32).call();
  const auto& run = backward ? op.backward : op.forward;
  for ([[maybe_unused]] auto _ : state) run(call);
  const Work& work = backward ? op.backward_work : op.forward_work;
  count(state, work.bytes.of(DType::kFloat32), work.flops);
}

// ---- on a GPU

CudaBackend& cuda_backend() {
  static CudaBackend backend;
  return backend;
}
const cuda::Stream& stream() {
  return std::get<const CudaContext*>(cuda_backend().context())->stream();
}

// Milliseconds of the device's time that `work` puts on the stream.
template <class F>
double device_ms(F&& work) {
  cuda::Event begin, end;
  begin.record(stream());
  work();
  end.record(stream());
  end.synchronize();
  stream().synchronize();  // throws if anything failed
  return cuda::Event::elapsed_ms(begin, end);
}

// Times call(i), i = 0, 1, ...: at least `least` calls, enough for two milliseconds. Reports one call.
template <class F>
void measure_calls(benchmark::State& state, int samples, int least, F&& call) {
  constexpr double kMilliseconds = 2;
  constexpr int kMaxCalls = 1000;
  call(0);  // loads kernels, chooses the algorithm of products
  const double once = std::max(device_ms([&] { call(0); }), 1e-3);
  const int calls = std::clamp(static_cast<int>(kMilliseconds / once), least, std::max(least, kMaxCalls));
  stream().begin_capture();
  for (int i = 0; i < calls; ++i) call(i);
  const cuda::Graph graph = stream().end_capture();
  const auto launch = [&] { graph.launch(stream()); };
  device_ms(launch);
  std::vector<double> us;
  for (int i = 0; i < samples; ++i) us.push_back(1e3 * device_ms(launch) / calls);
  std::ranges::sort(us);
  for ([[maybe_unused]] auto _ : state) state.SetIterationTime(1e-6 * us[us.size() / 2]);
  state.counters["min_us"] = us.front();
  state.counters["max_us"] = us.back();
  state.counters["calls"] = calls;
}

void measure_on_gpu(benchmark::State& state, const Options& options, const OpCase& op, bool backward, DType dtype,
                    bool cold) {
  const OpBuffers& first = buffers_of(op, cuda_backend(), dtype);
  std::vector<std::unique_ptr<OpBuffers>> others;
  if (cold) {
    constexpr double kBytes = 256 << 20;
    const int most = options.sizes == SpeedSizes::kReal ? 64 : 2;
    const int copies = std::clamp(static_cast<int>(std::ceil(kBytes / first.bytes())), 1, most);
    for (int i = 1; i < copies; ++i) others.push_back(std::make_unique<OpBuffers>(first));
  }
  const auto sets = others.size() + 1;
  const auto& run = backward ? op.backward : op.forward;
  measure_calls(state, options.samples, static_cast<int>(sets), [&](int i) {
    const std::size_t set = static_cast<std::size_t>(i) % sets;
    run(set == 0 ? first.call() : others[set - 1]->call());
  });
  const Work& work = backward ? op.backward_work : op.forward_work;
  count(state, work.bytes.of(dtype), work.flops);
  state.counters["buffers"] = static_cast<double>(sets);
}

// Attention by cuDNN, if the build has it.
std::vector<OpCase> cudnn_cases(SpeedSizes sizes) {
  std::vector<OpCase> out;
  if (!cuda::has_cudnn_attention()) return out;
  for (const AttentionSpec& spec : attention_speed_specs(sizes)) {
    if (spec.p > 0) continue;  // its masks differ
    OpCase& op = out.emplace_back(attention_case(spec));
    op.op = "attention_cudnn";
    for (auto* direction : {&op.forward, &op.backward})
      *direction = [by_own = *direction](const Call& call) {
        const std::shared_ptr<void> own_again(nullptr, [](void*) { cuda_backend().set_cudnn_attention(false); });
        cuda_backend().set_cudnn_attention(true);
        by_own(call);
      };
  }
  return out;
}

void measure_copy(benchmark::State& state, int samples) {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  const cuda::Buffer from(kBytes), to(kBytes);
  const std::vector<std::uint32_t> values = [] {
    std::mt19937 engine(1);
    std::vector<std::uint32_t> out(1 << 20);
    for (std::uint32_t& value : out) value = engine();
    return out;
  }();
  const std::size_t piece = values.size() * sizeof(std::uint32_t);
  for (std::size_t at = 0; at < kBytes; at += piece)
    cuda_backend().upload(static_cast<std::byte*>(from.data()) + at, values.data(), piece);
  measure_calls(state, samples, 1, [&](int) { cuda::copy_on_device(to.data(), from.data(), kBytes, stream()); });
  count(state, 2.0 * kBytes, 0);
}

// ---- the list

template <class F>
void add(const std::string& name, bool on_gpu, F&& measure) {
  auto* entry = benchmark::RegisterBenchmark(name.c_str(), [measure](benchmark::State& state) {
    try {
      measure(state);
    } catch (const Error& error) {
      state.SkipWithError(error.what());
    }
  });
  entry->Unit(benchmark::kMicrosecond);
  if (on_gpu)
    entry->UseManualTime()->Iterations(1);
  else
    entry->UseRealTime();
}

// `op` outlives the benchmarks.
void register_case(const Options& options, const OpCase& op, DType dtype) {
  for (const bool backward : {false, true}) {
    if (backward && op.backward == nullptr) continue;
    const std::string name = op.name() + (backward ? "/backward" : "/forward");
    if (!options.cuda) {
      add(name, false, [&op, backward](benchmark::State& state) { measure_on_cpu(state, op, backward); });
      continue;
    }
    for (const bool cold : {false, true})
      add(name + "/" + name_of(dtype) + (cold ? "/cold" : "/warm"), true,
          [=, &op](benchmark::State& state) { measure_on_gpu(state, options, op, backward, dtype, cold); });
  }
}

void register_all(const Options& options) {
  if (options.cuda && options.sizes == SpeedSizes::kReal) {
    static const OpCase ceiling = speed_cases(SpeedSizes::kCeiling).front();
    add("ceiling/copy", true, [options](benchmark::State& state) { measure_copy(state, options.samples); });
    for (const DType dtype : options.dtypes)
      add(std::string("ceiling/") + ceiling.name() + "/" + name_of(dtype), true,
          [options, dtype](benchmark::State& state) { measure_on_gpu(state, options, ceiling, false, dtype, false); });
  }
  static const std::vector<OpCase> cases = speed_cases(options.sizes);
  for (const OpCase& op : cases)
    for (const DType dtype : options.dtypes) register_case(options, op, dtype);
  static const std::vector<OpCase> by_cudnn = options.cuda ? cudnn_cases(options.sizes) : std::vector<OpCase>();
  if (std::ranges::count(options.dtypes, DType::kBFloat16) != 0)
    for (const OpCase& op : by_cudnn) register_case(options, op, DType::kBFloat16);
}

// The value of --name=value, if `argument` is that.
std::optional<std::string> value_of(const char* argument, const char* name) {
  const std::string prefix = std::string("--") + name + "=";
  if (std::strncmp(argument, prefix.c_str(), prefix.size()) != 0) return {};
  return argument + prefix.size();
}

// Takes out the arguments that are ours. Throws Error for a value that is not known.
Options parse(int& argc, char** argv) {
  Options options;
  bool chosen = false;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (const auto threads = value_of(argv[i], "threads")) {
      set_num_threads(std::atoi(threads->c_str()));
    } else if (const auto device = value_of(argv[i], "device")) {
      CHECK(*device == "cpu" || *device == "cuda", "--device=", *device, ": cpu or cuda");
      options.cuda = *device == "cuda";
    } else if (const auto dtype = value_of(argv[i], "dtype")) {
      CHECK(*dtype == "float32" || *dtype == "bfloat16", "--dtype=", *dtype, ": float32 or bfloat16");
      options.dtypes = {*dtype == "float32" ? DType::kFloat32 : DType::kBFloat16};
      chosen = true;
    } else if (const auto sizes = value_of(argv[i], "sizes")) {
      CHECK(*sizes == "real" || *sizes == "tiny", "--sizes=", *sizes, ": real or tiny");
      options.sizes = *sizes == "real" ? SpeedSizes::kReal : SpeedSizes::kTiny;
    } else if (const auto samples = value_of(argv[i], "samples")) {
      options.samples = std::atoi(samples->c_str());
      CHECK(options.samples > 0, "--samples=", *samples, ": at least 1");
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  if (options.cuda && !chosen) options.dtypes = {DType::kFloat32, DType::kBFloat16};
  CHECK(options.cuda || options.dtypes == std::vector{DType::kFloat32}, "--dtype=bfloat16 needs --device=cuda");
  CHECK(!options.cuda || cuda::available(), "--device=cuda: this machine has no CUDA device that can be used");
  if (options.cuda) {
    benchmark::AddCustomContext("device", cuda::device_info().name);
    benchmark::AddCustomContext("backend", cuda::backend_name());
  }
  return options;
}

}  // namespace
}  // namespace attune::testing

int main(int argc, char** argv) {
  try {
    attune::testing::register_all(attune::testing::parse(argc, argv));
  } catch (const attune::Error& error) {
    std::cerr << "bench_kernels: error: " << error.what() << "\n";
    return 2;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
