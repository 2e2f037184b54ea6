// Times the training step of a run of several processes, as mpirun starts them: what the exchange of gradients costs, and
// how much of it goes on while backward computes. bench/scaling/measure.py runs it over networks of several speeds.
//
// In turn, every round: a step that exchanges nothing, one whose sums all start after backward, one as in training, and
// the sums alone. Rank 0 prints one line of JSON.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "base/clock.h"
#include "base/parallel.h"
#include "bench/bench_main.h"
#include "bench/step_case.h"
#include "engine/comm/processes.h"
#include "engine/optim/adamw.h"
#include "engine/train/step_runner.h"

namespace attune {
namespace {

struct Options {
  CaseOptions step;
  int rounds = 10, threads = 1;

  void declare(CLI::App& app);
};

void Options::declare(CLI::App& app) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str();
  };
  step.declare(app);
  add("--rounds", rounds, "Counted rounds")->check(CLI::PositiveNumber);
  add("--threads", threads, "Threads of each process")->check(CLI::PositiveNumber);
}

// The other processes; it can hold sums back until somebody waits for one, and notes when they were asked for.
class Watched : public Communicator {
 public:
  struct Sum {
    std::size_t floats;
    double seconds;  // after begin()
  };

  Watched(Communicator& processes, bool hold_back) : processes_(processes), hold_back_(hold_back) {}

  void begin() {
    sums_.clear();
    begin_ = Clock::now();
  }
  const std::vector<Sum>& sums() const { return sums_; }

  int rank() const override { return processes_.rank(); }
  int world() const override { return processes_.world(); }
  Ticket start_sum(std::span<float> values, std::shared_ptr<const void> owner) override {
    sums_.push_back({values.size(), seconds_since(begin_)});
    if (hold_back_) {
      held_.push_back({values, std::move(owner)});
      return next_++;
    }
    return processes_.start_sum(values, std::move(owner));
  }
  // Not held back: the step here has a state that is whole.
  Ticket start_sum_of_parts(std::span<float> values, std::shared_ptr<const void> owner) override {
    return processes_.start_sum_of_parts(values, std::move(owner));
  }
  Ticket start_share(std::span<std::byte> bytes, std::shared_ptr<const void> owner) override {
    return processes_.start_share(bytes, std::move(owner));
  }
  void wait(Ticket sum) override {
    if (!hold_back_) return processes_.wait(sum);
    for (auto& [values, owner] : held_) last_ = processes_.start_sum(values, std::move(owner));
    held_.clear();
    processes_.wait(last_);
  }
  std::vector<std::string> gather(std::string_view bytes) override { return processes_.gather(bytes); }

 private:
  struct Held {
    std::span<float> values;
    std::shared_ptr<const void> owner;
  };

  Communicator& processes_;
  bool hold_back_;
  Clock::time_point begin_;
  std::vector<Sum> sums_;
  std::vector<Held> held_;
  Ticket next_ = 0, last_ = 0;
};

struct Measured {
  std::vector<double> compute, after, during, alone;  // milliseconds of every round
  std::vector<Watched::Sum> sums;                     // of a step
};

double milliseconds_of(Communicator& processes, const std::function<void()>& work) {
  processes.gather({});  // all begin together
  const auto begin = Clock::now();
  work();
  processes.gather({});
  return 1000 * seconds_since(begin);
}

class SharedStep {
 public:
  SharedStep(const StepCase& step, AdamWOptimizer& optimizer, Communicator* processes)
      : step_(step),
        task_(make_task("single_label_classification", {.outputs = step.model->num_labels()})),
        store_(step.texts, step.form, Device::kCpu, 1),
        examples_(static_cast<std::size_t>(step.texts.size())),
        part_(processes == nullptr ? 1 : 1.0 / processes->world()),
        runner_([this](const TokenBatch& batch, const ForwardPass& pass) { return step_.model->forward(batch, pass); },
                *task_, optimizer, {.seed = 123, .processes = processes}) {
    std::iota(examples_.begin(), examples_.end(), 0);
  }

  void run() {
    runner_.start(store_, {.examples = examples_, .part = part_}, steps_++, 5e-5);
    (void)runner_.take(true);
  }

 private:
  const StepCase& step_;
  std::unique_ptr<Task> task_;
  ExampleStore store_;
  std::vector<std::int32_t> examples_;
  double part_;
  StepRunner runner_;
  std::int64_t steps_ = 0;
};

Measured measure(const StepCase& step, Communicator& processes, int rounds) {
  constexpr int kWarmup = 2;  // the first step finds the order of the gradients out
  Watched held(processes, true), watched(processes, false);
  AdamWOptimizer optimizer(parameters_of(*step.model, true), {});
  SharedStep compute(step, optimizer, nullptr), after(step, optimizer, &held), during(step, optimizer, &watched);
  Measured out;
  for (int round = -kWarmup; round < rounds; ++round) {
    const double computed = milliseconds_of(processes, [&] { compute.run(); });
    held.begin();
    const double summed_after = milliseconds_of(processes, [&] { after.run(); });
    const double summed_during = milliseconds_of(processes, [&] { during.run(); });
    out.sums = held.sums();
    std::vector<std::shared_ptr<std::vector<float>>> buckets;
    for (const Watched::Sum& sum : out.sums) buckets.push_back(std::make_shared<std::vector<float>>(sum.floats));
    const double alone = milliseconds_of(processes, [&] {
      Communicator::Ticket last = 0;
      for (const auto& bucket : buckets) last = processes.start_sum(*bucket, bucket);
      processes.wait(last);
    });
    if (round < 0) continue;
    out.compute.push_back(computed);
    out.after.push_back(summed_after);
    out.during.push_back(summed_during);
    out.alone.push_back(alone);
  }
  return out;
}

// Milliseconds of a sum of so many floats, each the median of a few.
json::Value sums_by_size(Communicator& processes) {
  json::Value out = json::Value::array();
  for (const std::size_t floats : {std::size_t{1}, std::size_t{1} << 14, std::size_t{1} << 17, std::size_t{1} << 20}) {
    const auto values = std::make_shared<std::vector<float>>(floats);
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
      processes.gather({});
      const auto begin = Clock::now();
      processes.wait(processes.start_sum(*values, values));
      times.push_back(1000 * seconds_since(begin));
    }
    std::ranges::sort(times);
    out.push_back(json::Value::object({{"floats", floats}, {"ms", times[times.size() / 2]}}));
  }
  return out;
}

json::Value array_of(const std::vector<Watched::Sum>& sums) {
  json::Value out = json::Value::array();
  for (const auto& [floats, seconds] : sums)
    out.push_back(json::Value::object({{"floats", floats}, {"ready_ms", 1000 * seconds}}));
  return out;
}

void bench(Options options, Communicator& processes) {
  const std::int64_t texts = options.step.batch_size;
  if (texts % processes.world() != 0)
    throw UsageError(str_cat("--batch_size ", texts, " cannot be divided by ", processes.world(), " processes"));
  options.step.batch_size = texts / processes.world();
  set_num_threads(options.threads);
  const StepCase step = make_case(options.step);
  const Measured times = measure(step, processes, options.rounds);
  const json::Value sizes = sums_by_size(processes);
  if (processes.rank() != 0) return;
  std::cout << json::Value::object({{"model", step.description},
                                    {"processes", processes.world()},
                                    {"threads", options.threads},
                                    {"texts", texts},
                                    {"compute_ms", json::Value::array_of(std::span(times.compute))},
                                    {"sums_after_ms", json::Value::array_of(std::span(times.after))},
                                    {"sums_during_ms", json::Value::array_of(std::span(times.during))},
                                    {"sums_alone_ms", json::Value::array_of(std::span(times.alone))},
                                    {"sums", array_of(times.sums)},
                                    {"by_size", sizes}})
                   .dump()
            << std::endl;
}

void join_and_bench(const Options& options) {
  if (launched_world() == 1) return bench(options, single_process());
  const auto on_failure = [](const std::string& line) { std::cerr << "shared_step: error: " << line << "\n"; };
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const auto joined = join_processes((folder / "libattune_mpi.so").string(), {.on_failure = on_failure});
  bench(options, *joined);
  joined->leave();
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  CLI::App app(
      "Times the training step of a run of several processes: mpirun -n 2 bench_shared_step. --batch_size counts "
      "the texts of all",
      "bench_shared_step");
  attune::Options options;
  options.declare(app);
  return attune::bench_main(app, argc, argv, [&] { attune::join_and_bench(options); });
}
