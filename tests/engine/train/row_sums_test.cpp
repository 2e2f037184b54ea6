// Processes that add only the rows of a table that their batches use have the bits of those that add whole tables.
#include "engine/train/row_sums.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "engine/autograd/functions.h"
#include "engine/autograd/tape.h"
#include "engine/optim/adamw.h"
#include "engine/train/gradient_sums.h"
#include "tests/support/processes.h"

namespace attune::testing {
namespace {

constexpr std::int64_t kRows = 60, kChannels = 4;

// Counts the floats of the sums.
class Counting : public Communicator {
 public:
  explicit Counting(Communicator& processes) : processes_(processes) {}
  std::size_t floats() const { return floats_; }

  int rank() const override { return processes_.rank(); }
  int world() const override { return processes_.world(); }
  Ticket start_sum(std::span<float> values, std::shared_ptr<const void> owner) override {
    floats_ += values.size();
    return processes_.start_sum(values, std::move(owner));
  }
  Ticket start_sum_of_parts(std::span<float> values, std::shared_ptr<const void> owner) override {
    return processes_.start_sum_of_parts(values, std::move(owner));
  }
  Ticket start_share(std::span<std::byte> bytes, std::shared_ptr<const void> owner) override {
    return processes_.start_share(bytes, std::move(owner));
  }
  void wait(Ticket exchange) override { processes_.wait(exchange); }
  std::vector<std::string> gather(std::string_view bytes) override { return processes_.gather(bytes); }

 private:
  Communicator& processes_;
  std::size_t floats_ = 0;
};

Tensor random_values(std::mt19937& random, const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (float& value : values) value = static_cast<float>(random() % 2001) / 1000 - 1;
  return Tensor::from(values, shape);
}

struct Course {
  LateTables late = LateTables::kAll;
  int accumulation = 1;
  std::int64_t tokens = 7;  // of a batch of a process at most
};

struct Outcome {
  std::vector<float> weights;
  std::vector<double> norms;
  std::size_t floats;  // exchanged
};

// Steps on a table and another weight, each process with batches of its own.
Outcome train(const Course& how) {
  Counting processes(joined_processes());
  std::mt19937 all(3), own(static_cast<unsigned>(100 + processes.rank()));
  const Parameter table(random_values(all, {kRows, kChannels}), Parameter::Rounding::kNever, Parameter::Reads::kRows);
  const Parameter weight(random_values(all, {kChannels, kChannels}), Parameter::Rounding::kNever);
  Outcome out;
  {
    AdamWOptimizer optimizer({{"table", table}, {"weight", weight}}, {.max_grad_norm = 0.5, .late_tables = how.late});
    GradientSums sums(processes, optimizer.parameters());
    for (int step = 0; step < 9; ++step) {
      for (int batch = 1; batch <= how.accumulation; ++batch) {
        std::vector<std::int32_t> ids(1 + own() % static_cast<std::size_t>(how.tokens));
        for (std::int32_t& id : ids) id = static_cast<std::int32_t>(own() % kRows * (own() % 1000) / 1000);
        const std::int64_t count = std::ssize(ids);
        const bool last = batch == how.accumulation;
        if (last) sums.begin();
        Tape tape;
        Variable loss;
        {
          const Tape::Recording recording(tape);
          const Variable rows = embedding({table, Tensor::from(ids, {count})}, {}, {});
          loss = mean_squared_error(linear(rows, weight, {}), random_values(own, {count, kChannels}));
        }
        tape.backward(loss, 1.0 / how.accumulation, [&] {
          if (last) sums.look();
        });
        if (last) sums.finish();
      }
      optimizer.step(1e-2);
      out.norms.push_back(optimizer.norm().item());
      optimizer.zero_grad();
    }
  }
  for (const Parameter& parameter : {table, weight})
    for (const float value : parameter.value().values<float>()) out.weights.push_back(value);
  out.floats = processes.floats();
  return out;
}

void expect_bits_of_whole_tables(Course how) {
  const Outcome rows = train(how);
  how.late = LateTables::kNone;
  const Outcome whole = train(how);
  EXPECT_EQ(rows.weights, whole.weights);
  EXPECT_EQ(rows.norms, whole.norms);
  EXPECT_LT(rows.floats, whole.floats);
  const std::string_view bytes(reinterpret_cast<const char*>(rows.weights.data()), rows.weights.size() * sizeof(float));
  for (const std::string& other : joined_processes().gather(bytes)) EXPECT_EQ(other, bytes);
}

TEST(RowSums, HaveTheBitsOfWholeTables) {
  expect_bits_of_whole_tables({});
}

TEST(RowSums, OfAccumulatedBatches) {
  expect_bits_of_whole_tables({.accumulation = 3});
}

// Some processes then have a gradient of the whole table, and others one of few rows.
TEST(RowSums, OfBatchesWithMoreTokensThanTheTableHasRows) {
  expect_bits_of_whole_tables({.tokens = 2 * kRows});
}

}  // namespace
}  // namespace attune::testing
