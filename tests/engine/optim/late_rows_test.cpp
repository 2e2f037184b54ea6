// Tables whose rows are changed late have the bits of tables that every step changes, whatever happens in between.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "engine/autograd/functions.h"
#include "engine/optim/adamw.h"
#include "engine/optim/lr_schedule.h"
#include "kernels/cuda/device_info.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

constexpr std::int64_t kRows = 150;

struct Course {
  LateTables late;
  Device device = Device::kCpu;
  DType dtype = DType::kFloat32;
  std::int64_t channels = 8;
  int steps = 17;
  double max_grad_norm = 0, weight_decay = 0.1;
  int accumulation = 1, tokens = 12;
  int bad_step = -1;       // its gradient has a NaN
  int missed_every = 0;    // steps without a gradient
  int read_every = 0;      // steps after which rows are read
  int resume_every = 0;    // steps after which a new optimizer continues with the state
  bool dense_too = false;  // some gradients are of the whole table
  std::int64_t padding_id = -1;
};

using Bits = std::vector<std::vector<std::byte>>;

void add_bits(Bits& bits, const Tensor& x) {
  const Tensor host = x.to(Device::kCpu);
  const auto* bytes = static_cast<const std::byte*>(host.raw());
  bits.emplace_back(bytes, bytes + host.bytes());
}

// Numbers from -1 to 1.
Tensor random_tensor(std::mt19937& random, const Shape& shape, const Course& how) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& x : values) x = static_cast<double>(random() % 20001) / 10000 - 1;
  return Tensor::from(values, shape).cast(how.dtype).to(how.device);
}

// Ids as texts have them: few of them make up most of a text, most of them are rare.
Tensor random_ids(std::mt19937& random, const Course& how) {
  std::vector<std::int32_t> ids(1 + random() % static_cast<unsigned>(how.tokens));
  for (std::int32_t& id : ids)
    id = static_cast<std::int32_t>(random() % kRows * (random() % 1000) * (random() % 1000) / 1000000);
  return Tensor::from(ids, {std::ssize(ids)}).to(how.device);
}

class Training {
 public:
  explicit Training(const Course& how) : how_(how) {
    if (how.device == Device::kCuda) cuda::set_schedule_seed(1);
    begin(random_tensor(random_, {kRows, how.channels}, how), random_tensor(random_, {1, how.channels}, how));
  }

  Bits run() {
    Bits bits;
    for (step_ = 0; step_ < how_.steps; ++step_) {
      gradients();
      optimizer_->step(schedule_.at(step_));
      if (optimizer_->norm().defined()) add_bits(bits, optimizer_->norm());
      if (how_.read_every > 0 && step_ % how_.read_every == 1) read(bits);
      optimizer_->zero_grad();
      if (how_.resume_every > 0 && step_ % how_.resume_every == 2) resume();
    }
    const AdamWState state = optimizer_->state();
    for (const AdamWState::Moments& moments : state.moments) {
      add_bits(bits, moments.m);
      add_bits(bits, moments.v);
      bits.push_back({static_cast<std::byte>(moments.missed)});
    }
    add_bits(bits, table_.value());
    add_bits(bits, other_.value());
    return bits;
  }

 private:
  void begin(const Tensor& table, const Tensor& other) {
    optimizer_.reset();
    table_ = Parameter(table, Parameter::Rounding::kNever, Parameter::Reads::kRows);
    other_ = Parameter(other, Parameter::Rounding::kNever);
    optimizer_ = std::make_unique<AdamWOptimizer>(
        std::vector<NamedParameter>{{"table", table_}, {"other", other_}},
        AdamWOptions{.weight_decay = how_.weight_decay, .max_grad_norm = how_.max_grad_norm, .late_tables = how_.late});
  }

  void gradients() {
    const bool missed = how_.missed_every > 0 && step_ % how_.missed_every == 1;
    for (int part = 0; part < how_.accumulation; ++part) {
      other_.grad().add(random_tensor(random_, other_.shape(), how_));
      const Tensor ids = random_ids(random_, how_);
      if (missed) continue;
      Tape tape;
      Variable y;
      {
        const Tape::Recording recording(tape);
        y = embedding({table_, ids, how_.padding_id}, {}, {});
      }
      Tensor dy = random_tensor(random_, y.shape(), how_);
      if (step_ == how_.bad_step) {
        dy = dy.to(Device::kCpu).cast(DType::kFloat64).clone();
        dy.values<double>()[0] = std::numeric_limits<double>::quiet_NaN();
        dy = dy.cast(how_.dtype).to(how_.device);
      }
      tape.backward({y}, {dy});
      if (how_.dense_too && step_ % 3 == 1) table_.grad().add(random_tensor(random_, table_.shape(), how_));
    }
  }

  // As an evaluation, a checkpoint and an error do.
  void read(Bits& bits) {
    add_bits(bits, embedding({table_, random_ids(random_, how_), -1}, {}, {}).value());
    if (step_ % 4 != 1) return;
    if (table_.grad().defined()) add_bits(bits, table_.grad().tensor());
    add_bits(bits, table_.value());
  }

  void resume() {
    const AdamWState state = optimizer_->state();
    AdamWState copy{.steps = state.steps, .moments = {}};
    for (const AdamWState::Moments& moments : state.moments)
      copy.moments.push_back({moments.name, moments.m.clone(), moments.v.clone(), moments.missed});
    begin(table_.value().clone(), other_.value().clone());
    optimizer_->restore(copy);
  }

  Course how_;
  std::mt19937 random_{7};
  LrSchedule schedule_{.kind = LrSchedule::Kind::kCosine, .peak = 1e-2, .warmup_steps = 5, .total_steps = 1200};
  Parameter table_, other_;
  std::unique_ptr<AdamWOptimizer> optimizer_;
  int step_ = 0;
};

void expect_equal_bits(Course how) {
  how.late = LateTables::kNone;
  const Bits dense = Training(how).run();
  how.late = LateTables::kAll;
  const Bits late = Training(how).run();
  ASSERT_EQ(late.size(), dense.size());
  for (std::size_t i = 0; i < dense.size(); ++i)
    EXPECT_TRUE(late[i] == dense[i]) << "item " << i << " of " << dense.size();
}

class LateRowsTest : public ::testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (GetParam() == Device::kCuda && !cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  }
  static Course course(int steps) { return {.late = LateTables::kNone, .device = GetParam(), .steps = steps}; }
  // More steps than are kept.
  static int many() { return GetParam() == Device::kCuda ? 150 : 400; }
};

TEST_P(LateRowsTest, AfterAnyNumberOfSteps) {
  for (const int steps : {1, 2, 3, 17, 64, 65, 130}) expect_equal_bits(course(steps));
}

TEST_P(LateRowsTest, AfterElevenHundredSteps) {
  expect_equal_bits(course(1100));
}

TEST_P(LateRowsTest, RowsOfEveryLength) {
  for (const std::int64_t channels : {1, 7, 16, 33, 300}) {
    Course how = course(20);
    how.channels = channels;
    expect_equal_bits(how);
  }
}

TEST_P(LateRowsTest, Clipped) {
  for (const std::int64_t channels : {7, 8, 700}) {
    Course how = course(channels > 8 ? 10 : many());
    how.channels = channels;
    how.max_grad_norm = 0.5;
    expect_equal_bits(how);
  }
}

TEST_P(LateRowsTest, WithoutDecay) {
  Course how = course(many());
  how.weight_decay = 0;
  expect_equal_bits(how);
}

TEST_P(LateRowsTest, AStepThatIsLeftOut) {
  Course how = course(90);
  how.max_grad_norm = 0.5;
  how.bad_step = 5;
  expect_equal_bits(how);
}

TEST_P(LateRowsTest, SeveralBatchesPerStep) {
  for (const int accumulation : {2, 3}) {
    Course how = course(many() / 2);
    how.accumulation = accumulation;
    how.max_grad_norm = 0.5;
    expect_equal_bits(how);
  }
}

TEST_P(LateRowsTest, BatchesOfMoreTokensThanRows) {
  for (const int accumulation : {1, 2}) {
    Course how = course(20);
    how.tokens = 400;
    how.accumulation = accumulation;
    expect_equal_bits(how);
  }
}

TEST_P(LateRowsTest, ARowWithoutGradient) {
  Course how = course(many());
  how.padding_id = 0;  // the most frequent one
  how.accumulation = 2;
  expect_equal_bits(how);
}

TEST_P(LateRowsTest, StepsWithoutGradient) {
  Course how = course(many());
  how.missed_every = 3;
  how.max_grad_norm = 0.5;
  expect_equal_bits(how);
}

TEST_P(LateRowsTest, GradientsOfTheWholeTable) {
  for (const int accumulation : {1, 3}) {
    Course how = course(30);
    how.dense_too = true;
    how.accumulation = accumulation;
    how.max_grad_norm = 0.5;
    expect_equal_bits(how);
  }
}

TEST_P(LateRowsTest, ReadInBetween) {
  for (const int every : {1, 2, 7}) {
    Course how = course(many() / 2);
    how.read_every = every;
    how.accumulation = every == 2 ? 2 : 1;
    expect_equal_bits(how);
  }
}

TEST_P(LateRowsTest, Resumed) {
  for (const int every : {3, 10, 70}) {
    Course how = course(many());
    how.resume_every = every;
    how.missed_every = every == 10 ? 4 : 0;
    expect_equal_bits(how);
  }
}

// ---- what a training run does not do ----

// A table with random values, and its rows as ops read them.
struct Table {
  explicit Table(Device on) : device(on) {}

  Tensor numbers(const Shape& shape) {
    return random_tensor(random, shape, {.late = LateTables::kNone, .device = device});
  }
  Variable read(const std::vector<std::int32_t>& ids, Tape& tape) const {
    const Tape::Recording recording(tape);
    return embedding({parameter, Tensor::from(ids, {std::ssize(ids)}).to(device), -1}, {}, {});
  }
  void backward(Tape& tape, const Variable& y) { tape.backward({y}, {numbers(y.shape())}); }
  void gradient(const std::vector<std::int32_t>& ids) {
    Tape tape;
    const Variable y = read(ids, tape);
    backward(tape, y);
  }

  Device device;
  std::mt19937 random{3};
  Parameter parameter{numbers({kRows, 8}), Parameter::Rounding::kNever, Parameter::Reads::kRows};
};

// Expects the same bits of the table at the end of `work`, whatever its optimizers do with late rows.
void expect_same_table(Device device, const std::function<void(Table&, const AdamWOptions&)>& work) {
  Bits bits;
  for (const LateTables late : {LateTables::kNone, LateTables::kAll}) {
    Table table(device);
    work(table, {.weight_decay = 0.1, .late_tables = late});
    add_bits(bits, table.parameter.value());
  }
  EXPECT_TRUE(bits[0] == bits[1]);
}

TEST_P(LateRowsTest, BackwardAfterAStep) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    AdamWOptimizer optimizer({{"table", table.parameter}}, options);
    for (int step = 0; step < 3; ++step) {
      table.gradient({5, 6, 7});
      optimizer.step(0.01);
      optimizer.zero_grad();
    }
    Tape first, second;
    const Variable y = table.read({1, 7}, first), z = table.read({2, 3}, second);
    table.backward(first, y);
    optimizer.step(0.01);
    table.backward(second, z);
    optimizer.step(0.01);
  });
}

TEST_P(LateRowsTest, AnOptimizerLeavesNone) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    for (int run = 0; run < 3; ++run) {
      AdamWOptimizer optimizer({{"table", table.parameter}}, options);
      for (const std::int32_t id : {1, 2, 3}) {
        table.gradient({id});
        optimizer.step(0.01);
        if (run != 1) optimizer.zero_grad();
      }
    }
    EXPECT_EQ(table.parameter.late_rows(), nullptr);
  });
}

TEST_P(LateRowsTest, TwoOptimizersOfOneTable) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    AdamWOptimizer one({{"table", table.parameter}}, options), other({{"table", table.parameter}}, options);
    for (const std::int32_t id : {1, 2, 3, 4, 5}) {
      table.gradient({id, 9});
      (id % 2 == 0 ? one : other).step(0.01);
      one.zero_grad();
    }
  });
}

TEST_P(LateRowsTest, AnotherValueInBetween) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    AdamWOptimizer optimizer({{"table", table.parameter}}, options);
    for (const std::int32_t id : {1, 2, 3, 4, 5}) {
      table.gradient({id});
      optimizer.step(0.01);
      optimizer.zero_grad();
      if (id == 3) table.parameter.set_value(table.numbers(table.parameter.shape()));
    }
  });
}

TEST_P(LateRowsTest, BackToAnEarlierState) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    AdamWOptimizer optimizer({{"table", table.parameter}}, options);
    AdamWState early;
    Tensor value;
    for (const std::int32_t id : {1, 2, 3, 4, 5, 6, 7}) {
      table.gradient({id});
      optimizer.step(0.01);
      optimizer.zero_grad();
      if (id == 2) {
        early = optimizer.state();
        for (AdamWState::Moments& moments : early.moments) moments.m = moments.m.clone(), moments.v = moments.v.clone();
        value = table.parameter.value().clone();
      }
      if (id == 5) {
        optimizer.restore(early);
        table.parameter.late_value().copy_from(value);
      }
    }
  });
}

TEST_P(LateRowsTest, AGradientThatIsDropped) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    AdamWOptimizer optimizer({{"table", table.parameter}}, options);
    for (const std::int32_t id : {1, 2, 3, 4, 5}) {
      table.gradient({id, 1});
      if (id % 2 == 0) optimizer.zero_grad();
      table.gradient({id + 1});
      const Tensor taken = id == 3 ? table.parameter.grad().take() : Tensor();
      EXPECT_EQ(taken.defined(), id == 3);
      optimizer.step(0.01);
      optimizer.zero_grad();
    }
  });
}

TEST_P(LateRowsTest, OnlyTablesAreLate) {
  Table table(GetParam());
  const Parameter whole(table.numbers({kRows, 8}), Parameter::Rounding::kNever);
  AdamWOptimizer optimizer({{"table", table.parameter}, {"whole", whole}}, {.late_tables = LateTables::kAll});
  EXPECT_NE(table.parameter.late_rows(), nullptr);
  EXPECT_EQ(whole.late_rows(), nullptr);
}

TEST(LateRows, IdsMustBeRows) {
  Table table(Device::kCpu);
  AdamWOptimizer optimizer({{"table", table.parameter}}, {.late_tables = LateTables::kAll});
  for (const std::int32_t id : {-1, static_cast<std::int32_t>(kRows)})
    EXPECT_EQ(message_of([&] {
                table.gradient({0, id});
              }),
              str_cat("adamw catch up: ids has ", id, ", but the table has 150 rows"));
}

TEST_P(LateRowsTest, Float64) {
  if (GetParam() == Device::kCuda) GTEST_SKIP() << "CUDA kernels have no float64";
  Course how = course(many());
  how.dtype = DType::kFloat64;
  how.max_grad_norm = 0.5;
  expect_equal_bits(how);
}

INSTANTIATE_TEST_SUITE_P(Devices, LateRowsTest, ::testing::Values(Device::kCpu, Device::kCuda),
                         [](const auto& device) { return device.param == Device::kCuda ? "cuda" : "cpu"; });

}  // namespace
}  // namespace attune::testing
