// The order of the texts of a run, and what each process has of it: any numbers of texts, tokens, batches, processes and
// epochs, and a run that is left at any batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "engine/data/batch_part.h"
#include "engine/train/epoch_plan.h"

namespace attune::testing {
namespace {

using Rows = std::vector<std::int32_t>;

struct AnyRun {
  std::int64_t rows = 0, epochs = 1, max_steps = 0, accumulation = 1, eval_every = 0;
  int world = 1;
  std::uint64_t seed = 0;
  Rows lengths = {};
  LoaderOptions options = {};

  bool by_tokens() const { return options.batch_tokens > 0; }
  EpochPlan plan() const {
    if (!by_tokens()) return EpochPlan::even(epochs, rows / options.batch_size, max_steps);
    return EpochPlan::drawn({.seed = seed,
                             .rows = rows,
                             .options = options,
                             .epochs = epochs,
                             .max_steps = max_steps,
                             .eval_every = eval_every,
                             .eval_epochs = true});
  }
};

// Any run; `lengths` keeps what its options refer to.
AnyRun any_run(std::mt19937& random) {
  const auto up_to = [&](std::uint32_t n) { return 1 + static_cast<std::int64_t>(random() % n); };
  AnyRun out;
  out.world = static_cast<int>(up_to(6));
  out.epochs = up_to(4);
  out.accumulation = up_to(4);
  out.eval_every = static_cast<std::int64_t>(random() % 5);
  out.seed = random();
  LoaderOptions& options = out.options;
  options.batch_size = out.world * up_to(8);
  out.rows = options.batch_size + static_cast<std::int64_t>(random() % 90);
  if (random() % 2 == 0) {
    options.batch_tokens = up_to(200);
    out.rows = up_to(120);
  }
  options.shuffle = random() % 4 != 0;
  options.drop_last = !out.by_tokens();
  options.group_by_length = options.shuffle && random() % 2 == 0;
  const auto longest = static_cast<std::uint32_t>(up_to(90));
  for (std::int64_t i = 0; i < out.rows; ++i) out.lengths.push_back(static_cast<std::int32_t>(up_to(longest)));
  if (random() % 4 == 0) out.max_steps = up_to(30);
  return out;
}

// Where a run is: what a checkpoint keeps of it.
struct Position {
  std::string generator;
  std::int64_t step = 0, epoch = 1, batch = 0;
  std::optional<std::uint64_t> pass_seed = {};
};

// Goes through the batches of a run as the trainer does.
class Order {
 public:
  explicit Order(const AnyRun& run) : run_(run), plan_(run.plan()), generator_(run.seed) {}
  Order(const AnyRun& run, const Position& from) : Order(run) {
    generator_.restore(from.generator);
    at_ = from;
    if (from.pass_seed) pass_.emplace(*from.pass_seed, run.rows, run.options);
  }

  const EpochPlan& plan() const { return plan_; }
  Position position() const {
    Position out = at_;
    out.generator = generator_.state();
    if (pass_) out.pass_seed = pass_->seed();
    return out;
  }
  bool ended() const { return at_.step == plan_.total_steps(); }
  std::int64_t epoch() const { return at_.epoch; }
  /// The next batch.
  Rows next() {
    if (!pass_) pass_.emplace(generator_, run_.rows, run_.options);
    const auto batch = pass_->batch(at_.batch++);
    Rows out(batch.begin(), batch.end());
    if (run_.eval_every > 0 && at_.step % run_.eval_every == 0) draw_evaluation();
    ++at_.step;
    if (at_.batch == pass_->batches()) {
      draw_evaluation();
      pass_.reset();
      at_.batch = 0;
      ++at_.epoch;
    }
    return out;
  }

 private:
  void draw_evaluation() {
    LoaderPass::draw_seed(generator_, true);
    LoaderPass::draw_seed(generator_, false);
  }

  const AnyRun& run_;
  EpochPlan plan_;
  TorchGenerator generator_;
  Position at_;
  std::optional<LoaderPass> pass_;
};

std::int64_t tokens_of(const AnyRun& run, std::span<const std::int32_t> rows) {
  std::int64_t out = 0;
  for (const std::int32_t row : rows) out += run.lengths[static_cast<std::size_t>(row)];
  return out;
}

// The parts of all ranks, one after the other, each of which must be as large as the others.
Rows dealt(const AnyRun& run, const Rows& batch, int world) {
  Rows out;
  std::size_t least = batch.size(), most = 0;
  std::int32_t longest = 0;
  for (const std::int32_t row : batch) longest = std::max(longest, run.lengths[static_cast<std::size_t>(row)]);
  for (int r = 0; r < world; ++r) {
    const auto part = part_of_batch(batch, r, world, run.by_tokens() ? run.lengths : std::span<const std::int32_t>());
    out.insert(out.end(), part.begin(), part.end());
    least = std::min(least, part.size());
    most = std::max(most, part.size());
    const std::int64_t room = tokens_of(run, batch) / world + longest;
    EXPECT_TRUE(!run.by_tokens() || tokens_of(run, part) <= room) << tokens_of(run, part);
  }
  const std::size_t difference = batch.size() % static_cast<std::size_t>(world) == 0 ? 0 : 1;
  EXPECT_TRUE(run.by_tokens() || most - least == difference) << least << " " << most;
  return out;
}

TEST(SharedOrder, HasEveryTextOnceAnEpochOverAllRanks) {
  std::mt19937 random(11);
  for (int i = 0; i < 600; ++i) {
    AnyRun run = any_run(random);
    run.options.lengths = run.lengths;
    Order order(run);
    std::int64_t optimizer_steps = 0, in_group = 0;
    while (!order.ended()) {
      const std::int64_t epoch = order.epoch();
      std::multiset<std::int32_t> seen;
      while (!order.ended() && order.epoch() == epoch) {
        const Rows batch = order.next();
        ASSERT_FALSE(batch.empty());
        for (const int world : {run.world, 1 + static_cast<int>(random() % 9)})
          ASSERT_EQ(dealt(run, batch, world), batch);
        EXPECT_TRUE(run.by_tokens() ? tokens_of(run, batch) <= run.options.batch_tokens || batch.size() == 1
                                    : std::ssize(batch) == run.options.batch_size);
        seen.insert(batch.begin(), batch.end());
        optimizer_steps += ++in_group == run.accumulation || order.epoch() != epoch || order.ended() ? 1 : 0;
        if (in_group == run.accumulation || order.epoch() != epoch) in_group = 0;
      }
      EXPECT_EQ(std::set<std::int32_t>(seen.begin(), seen.end()).size(), seen.size()) << "a text came twice";
      EXPECT_TRUE(seen.empty() || (*seen.begin() >= 0 && *seen.rbegin() < run.rows));
      if (order.epoch() == epoch) continue;  // max_steps has ended the run inside of the epoch
      EXPECT_EQ(std::ssize(seen), run.by_tokens() ? run.rows : run.rows - run.rows % run.options.batch_size);
    }
    EXPECT_EQ(optimizer_steps, order.plan().optimizer_steps(run.accumulation));
  }
}

TEST(SharedOrder, GoesOnFromAnyBatch) {
  std::mt19937 random(12);
  for (int i = 0; i < 300; ++i) {
    AnyRun run = any_run(random);
    run.options.lengths = run.lengths;
    Order order(run);
    const std::int64_t total = order.plan().total_steps(), left_at = static_cast<std::int64_t>(random()) % (total + 1);
    for (std::int64_t step = 0; step < left_at; ++step) order.next();
    const Position left = order.position();
    EXPECT_TRUE(order.plan().is_place(left.step, left.epoch, left.batch));
    Order rest(run, left);
    while (!order.ended()) ASSERT_EQ(rest.next(), order.next()) << "left at " << left_at << " of " << total;
    EXPECT_TRUE(rest.ended());
  }
}

}  // namespace
}  // namespace attune::testing
