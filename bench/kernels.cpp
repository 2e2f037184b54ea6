// Speed of every op of the test table at sizes of real models: time, GB/s of the bytes that must move, GFLOP/s.
//
//   bench/kernels --threads=2 --benchmark_filter='attention.*'
//
// Names are op/label/direction. Inputs are read from and written to the same buffers every time, so what fits in a
// cache stays there; the tables of embedding, adamw and grad_norm do not.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "tests/ops/op_case.h"

namespace attune::testing {
namespace {

// The buffers of one case, made when its first benchmark runs and dropped when the next case's does.
class Buffers {
 public:
  explicit Buffers(const OpCase& op) : call_(cpu_backend(), DType::kFloat32) {
    std::mt19937 engine(1);
    for (const FloatInput& input : op.inputs) {
      fill(add(input.name, input.n), input.n, input.low, input.high, engine);
      if (input.differentiable && op.backward != nullptr)
        call_.bind_grad(input.name, {add("grad " + input.name, input.n)});
    }
    for (const IntInput& input : op.ints)
      std::memcpy(add(input.name, static_cast<std::int64_t>(input.values.size())), input.values.data(),
                  input.values.size() * 4);
    for (const DoubleInput& input : op.doubles)
      std::memcpy(add(input.name, 2 * static_cast<std::int64_t>(input.values.size())), input.values.data(),
                  input.values.size() * 8);
    for (const Output& output : op.outputs) {
      add(output.name, output.float64 ? 2 * output.n : output.n);
      if (output.differentiable) fill(add("d" + output.name, output.n), output.n, -1, 1, engine);
    }
    op.forward(call_);  // backward reads what forward saves
  }
  const Call& call() const { return call_; }

 private:
  float* add(const std::string& name, std::int64_t n) {
    buffers_.emplace_back(static_cast<std::size_t>(n));
    call_.bind(name, buffers_.back().data());
    return buffers_.back().data();
  }
  static void fill(float* x, std::int64_t n, double low, double high, std::mt19937& engine) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
    for (std::int64_t i = 0; i < n; ++i) x[i] = uniform(engine);
  }
  std::vector<std::vector<float>> buffers_;
  Call call_;
};

const Buffers& buffers_of(const OpCase& op) {
  static std::string name;
  static std::unique_ptr<Buffers> buffers;
  if (name != op.name()) {
    buffers.reset();
    buffers = std::make_unique<Buffers>(op);
    name = op.name();
  }
  return *buffers;
}

void measure(benchmark::State& state, const OpCase& op, bool backward) {
  const Call& call = buffers_of(op).call();
  for (auto _ : state) {
    if (backward)
      op.backward(call);
    else
      op.forward(call);
  }
  const Work& work = backward ? op.backward_work : op.forward_work;
  const auto rate = [&](double per_call) {
    return benchmark::Counter(1e-9 * per_call, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GB/s"] = rate(work.bytes);
  if (work.flops > 0) state.counters["GFLOP/s"] = rate(work.flops);
}

void register_all() {
  static const std::vector<OpCase> cases = speed_cases();
  for (const OpCase& op : cases)
    for (bool backward : {false, true}) {
      if (backward && op.backward == nullptr) continue;
      benchmark::RegisterBenchmark((op.name() + (backward ? "/backward" : "/forward")).c_str(),
                                   [&op, backward](benchmark::State& state) { measure(state, op, backward); })
          ->Unit(benchmark::kMicrosecond)
          ->UseRealTime();
    }
}

}  // namespace
}  // namespace attune::testing

int main(int argc, char** argv) {
  constexpr const char* kThreads = "--threads=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kThreads, std::strlen(kThreads)) == 0)
      attune::set_num_threads(std::atoi(argv[i] + std::strlen(kThreads)));
    else
      argv[kept++] = argv[i];
  }
  argc = kept;
  attune::testing::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
