// Calls in an order that no training run has: tables whose rows are changed late keep the bits of tables that every step changes.
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

#include "engine/autograd/functions.h"
#include "engine/optim/adamw.h"
#include "tests/engine/optim/table_bits.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

class LateRowsCalls : public DeviceTest {};

// A table with random values, and its rows as ops read them.
struct Table {
  explicit Table(Device on) : device(on) {}

  Tensor numbers(const Shape& shape) { return random_tensor(random, shape).to(device); }
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

TEST_P(LateRowsCalls, BackwardAfterAStep) {
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

TEST_P(LateRowsCalls, AnOptimizerLeavesNone) {
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

TEST_P(LateRowsCalls, TwoOptimizersOfOneTable) {
  expect_same_table(GetParam(), [](Table& table, const AdamWOptions& options) {
    AdamWOptimizer one({{"table", table.parameter}}, options), other({{"table", table.parameter}}, options);
    for (const std::int32_t id : {1, 2, 3, 4, 5}) {
      table.gradient({id, 9});
      (id % 2 == 0 ? one : other).step(0.01);
      one.zero_grad();
    }
  });
}

TEST_P(LateRowsCalls, AnotherValueInBetween) {
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

TEST_P(LateRowsCalls, BackToAnEarlierState) {
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

TEST_P(LateRowsCalls, AGradientThatIsDropped) {
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

TEST_P(LateRowsCalls, OnlyTablesAreLate) {
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

INSTANTIATE_TEST_SUITE_P(Devices, LateRowsCalls, ::testing::Values(Device::kCpu, Device::kCuda), DeviceTest::name);

}  // namespace
}  // namespace attune::testing
