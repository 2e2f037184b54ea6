// Tables whose rows are changed late have the bits of tables that every step changes, whatever happens in between.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "engine/autograd/functions.h"
#include "engine/optim/adamw.h"
#include "engine/optim/lr_schedule.h"
#include "kernels/cuda/device_info.h"
#include "tests/engine/optim/table_bits.h"
#include "tests/support/on_device.h"

namespace attune::testing {
namespace {

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
  bool groups = false;     // the table learns slower, and does not decay
  std::int64_t padding_id = -1;
};

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
    begin(numbers({kRows, how.channels}), numbers({1, how.channels}));
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
  Tensor numbers(const Shape& shape) { return random_tensor(random_, shape, how_.dtype).to(how_.device); }

  void begin(const Tensor& table, const Tensor& other) {
    optimizer_.reset();
    table_ = Parameter(table, Parameter::Rounding::kNever, Parameter::Reads::kRows);
    other_ = Parameter(other, Parameter::Rounding::kNever);
    AdamWOptions options{
        .weight_decay = how_.weight_decay, .max_grad_norm = how_.max_grad_norm, .late_tables = how_.late};
    if (how_.groups)
      options.group_of = [](const std::string& name) {
        return name == "table" ? AdamWGroup{.learning_rate_scale = 0.3, .decays = false} : AdamWGroup{};
      };
    optimizer_ =
        std::make_unique<AdamWOptimizer>(std::vector<NamedParameter>{{"table", table_}, {"other", other_}}, options);
  }

  void gradients() {
    const bool missed = how_.missed_every > 0 && step_ % how_.missed_every == 1;
    for (int part = 0; part < how_.accumulation; ++part) {
      other_.grad().add(numbers(other_.shape()));
      const Tensor ids = random_ids(random_, how_);
      if (missed) continue;
      Tape tape;
      Variable y;
      {
        const Tape::Recording recording(tape);
        y = embedding({table_, ids, how_.padding_id}, {}, {});
      }
      Tensor dy = numbers(y.shape());
      if (step_ == how_.bad_step) {
        dy = dy.to(Device::kCpu).cast(DType::kFloat64).clone();
        dy.values<double>()[0] = std::numeric_limits<double>::quiet_NaN();
        dy = dy.cast(how_.dtype).to(how_.device);
      }
      tape.backward({y}, {dy});
      if (how_.dense_too && step_ % 3 == 1) table_.grad().add(numbers(table_.shape()));
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

class LateRowsTest : public DeviceTest {
 protected:
  static Course course(int steps) { return {.late = LateTables::kNone, .device = GetParam(), .steps = steps}; }
  static bool simulated() { return GetParam() == Device::kCuda && !on_gpu(); }
  // More steps than are kept, 64; on the simulator only a few more.
  static int many() { return simulated() ? 80 : 400; }
  static int fewer() { return simulated() ? 70 : 200; }
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
    Course how = course(fewer());
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
    Course how = course(fewer());
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

TEST_P(LateRowsTest, InAGroupOfItsOwn) {
  Course how = course(many());
  how.groups = true;
  how.missed_every = 4;
  expect_equal_bits(how);
}

TEST_P(LateRowsTest, Float64) {
  if (GetParam() == Device::kCuda) GTEST_SKIP() << "CUDA kernels have no float64";
  Course how = course(many());
  how.dtype = DType::kFloat64;
  how.max_grad_norm = 0.5;
  expect_equal_bits(how);
}

INSTANTIATE_TEST_SUITE_P(Devices, LateRowsTest, ::testing::Values(Device::kCpu, Device::kCuda), DeviceTest::name);

}  // namespace
}  // namespace attune::testing
