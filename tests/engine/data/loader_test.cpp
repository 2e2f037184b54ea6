// The reference's order of examples, pass by pass, against golden/streams.json; and the rules of batches.
#include "engine/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/io/sha256.h"
#include "tests/support/data.h"
#include "tests/support/message_of.h"

namespace attune::testing {
namespace {

using Json = nlohmann::json;

// Digest over int64, as the golden file has it.
std::string digest(std::span<const std::int32_t> rows) {
  const std::vector<std::int64_t> wide(rows.begin(), rows.end());
  return sha256_hex(std::as_bytes(std::span(wide)));
}

void expect_order(std::span<const std::int32_t> rows, const Json& golden, const std::string& where) {
  const Json& first = golden["first"];
  ASSERT_GE(rows.size(), first.size()) << where;
  for (std::size_t i = 0; i < first.size(); ++i)
    ASSERT_EQ(rows[i], first[i].get<std::int32_t>()) << where << ", row " << i;
  EXPECT_EQ(digest(rows), golden["sha256"].get<std::string>()) << where;
}

// The rows of all batches of a pass.
std::vector<std::int32_t> order_of(const LoaderPass& pass) {
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < pass.batches(); ++i) out.insert(out.end(), pass.batch(i).begin(), pass.batch(i).end());
  return out;
}

// The draws of a run without its training: passes over both splits in the order of the reference's loop.
class Run {
 public:
  explicit Run(const Json& golden)
      : generator_(golden["seed"].get<std::uint64_t>()),
        rows_(golden["rows"]),
        validation_rows_(golden["validation_rows"]),
        batch_(golden["batch"]),
        eval_rows_(static_cast<std::size_t>(golden["eval_batches"].get<std::int64_t>() * batch_)) {}

  LoaderPass training_pass() {
    return LoaderPass(generator_, rows_, {.batch_size = batch_, .shuffle = true, .drop_last = true});
  }
  /// Rows of the training split that an evaluation reads.
  std::vector<std::int32_t> evaluation() {
    const LoaderPass train = training_pass();
    const LoaderPass validation(generator_, validation_rows_, {.batch_size = batch_});
    std::vector<std::int32_t> rows = order_of(train);
    rows.resize(std::min(eval_rows_, rows.size()));
    return rows;
  }

 private:
  TorchGenerator generator_;
  std::int64_t rows_, validation_rows_, batch_;
  std::size_t eval_rows_;
};

// Steps count on through all epochs; returns how many orders were compared.
int expect_stream(const std::string& name, const Json& golden) {
  Run run(golden);
  const auto eval_every = golden["eval_every"].get<std::int64_t>();
  std::int64_t step = 0;
  int compared = 0;
  for (std::size_t e = 0; e < golden["epochs"].size(); ++e) {
    const Json& epoch = golden["epochs"][e];
    const std::string where = name + ", epoch " + std::to_string(e + 1);
    const LoaderPass pass = run.training_pass();
    const auto count = epoch["count"].get<std::size_t>();
    const std::vector<std::int32_t> order = order_of(pass);
    expect_order(std::span(order).first(std::min(count, order.size())), epoch, where);
    ++compared;
    const Json& evaluations = epoch["evaluations"];
    std::set<std::string> left;
    for (const auto& [key, value] : evaluations.items()) left.insert(key);
    for (std::int64_t i = 0; i < pass.batches(); ++i, ++step) {
      if (step % eval_every != 0) continue;
      const std::vector<std::int32_t> rows = run.evaluation();
      const std::string key = std::to_string(step);
      if (left.erase(key) == 0) continue;
      expect_order(rows, evaluations[key], where + ", evaluation at step " + key);
      ++compared;
    }
    EXPECT_TRUE(left.empty()) << where << ": no evaluation at step " << *left.begin();
    expect_order(run.evaluation(), epoch["end_of_epoch"], where + ", its end");
    ++compared;
  }
  return compared;
}

TEST(Loader, OrdersOfTheReferenceRuns) {
  ATTUNE_DATA_OR_SKIP(data);
  std::ifstream file(data / "golden" / "streams.json");
  ASSERT_TRUE(file) << "golden/streams.json is missing";
  const Json streams = Json::parse(file);
  int runs = 0, orders = 0;
  for (const auto& [name, golden] : streams.items()) {
    if (!golden.is_object() || !golden.contains("epochs")) continue;
    orders += expect_stream(name, golden);
    ++runs;
  }
  EXPECT_GT(runs, 0);
  EXPECT_GT(orders, 2 * runs);
}

TEST(Loader, BatchesOfAPass) {
  TorchGenerator generator(1);
  const LoaderPass kept(generator, 10, {.batch_size = 4});
  EXPECT_EQ(kept.batches(), 3);
  EXPECT_EQ(std::vector<std::int32_t>(kept.batch(2).begin(), kept.batch(2).end()), (std::vector<std::int32_t>{8, 9}));
  const LoaderPass dropped(generator, 10, {.batch_size = 4, .shuffle = true, .drop_last = true});
  EXPECT_EQ(dropped.batches(), 2);
  EXPECT_EQ(dropped.batch(1).size(), 4u);
  const std::vector<std::int32_t> left = order_of(dropped);
  EXPECT_EQ(std::set<std::int32_t>(left.begin(), left.end()).size(), 8u);
  EXPECT_TRUE(std::ranges::all_of(left, [](std::int32_t row) { return row >= 0 && row < 10; }));
  EXPECT_EQ(LoaderPass(generator, 3, {.batch_size = 4, .drop_last = true}).batches(), 0);
  EXPECT_EQ(LoaderPass(generator, 0, {.batch_size = 4}).batches(), 0);
  EXPECT_THROW(LoaderPass(generator, 3, {.batch_size = 0}), Error);
}

TEST(Loader, ASequentialPassDrawsOneNumberAndAShuffledOneTwo) {
  TorchGenerator generator(123), expected(123);
  const LoaderPass sequential(generator, 5, {.batch_size = 2});
  expected.random_int64();
  const LoaderPass shuffled(generator, 5, {.batch_size = 2, .shuffle = true});
  expected.random_int64();
  TorchGenerator own(static_cast<std::uint64_t>(expected.random_int64()));
  EXPECT_EQ(order_of(shuffled), own.permutation(5));
  EXPECT_EQ(generator.random_int64(), expected.random_int64());
}

TEST(Loader, APassIsMadeAgainFromItsSeed) {
  const LoaderOptions options{.batch_size = 4, .shuffle = true, .drop_last = true};
  TorchGenerator generator(123);
  const LoaderPass pass(generator, 23, options), next(generator, 23, options);
  EXPECT_EQ(order_of(LoaderPass(pass.seed(), 23, options)), order_of(pass));
  EXPECT_NE(next.seed(), pass.seed());
  EXPECT_NE(order_of(next), order_of(pass));
}

// 1,003 rows of 1 to 300 tokens.
std::vector<std::int32_t> invented_lengths() {
  TorchGenerator generator(7);
  std::vector<std::int32_t> out(1003);
  for (std::int32_t& length : out) length = 1 + static_cast<std::int32_t>(generator.random32() % 300);
  return out;
}

// The mean over batches of the difference between their longest and shortest row.
double mean_spread(const LoaderPass& pass, const std::vector<std::int32_t>& lengths) {
  double sum = 0;
  for (std::int64_t i = 0; i < pass.batches(); ++i) {
    const auto length = [&](std::int32_t row) { return lengths[static_cast<std::size_t>(row)]; };
    const auto [shortest, longest] = std::ranges::minmax_element(pass.batch(i), {}, length);
    sum += length(*longest) - length(*shortest);
  }
  return sum / static_cast<double>(pass.batches());
}

TEST(Loader, GroupedBatchesHaveSimilarLengthsInRandomOrder) {
  const std::vector<std::int32_t> lengths = invented_lengths();
  LoaderOptions options{.batch_size = 4, .shuffle = true, .drop_last = true};
  const LoaderPass plain(std::uint64_t{5}, 1003, options);
  options.group_by_length = true;
  options.lengths = lengths;
  const LoaderPass grouped(std::uint64_t{5}, 1003, options), other(std::uint64_t{6}, 1003, options);

  // The same rows, each once.
  ASSERT_EQ(grouped.batches(), 250);
  const std::vector<std::int32_t> order = order_of(grouped), before = order_of(plain);
  EXPECT_NE(order, before);
  const std::set<std::int32_t> rows(order.begin(), order.end());
  EXPECT_EQ(rows.size(), 1000u);
  EXPECT_EQ(rows, std::set<std::int32_t>(before.begin(), before.end()));
  for (std::int64_t i = 0; i < 250; ++i) EXPECT_EQ(grouped.batch(i).size(), 4u);

  // Sorted stretches of 200 rows: neighbours differ by about 300 / 200 tokens, so batches by about 4.5; unsorted by 180.
  EXPECT_GT(mean_spread(plain, lengths), 150);
  EXPECT_LT(mean_spread(grouped, lengths), 8);

  // The longest batch comes first; the others rise as often as they fall.
  std::vector<std::int64_t> tokens;
  for (std::int64_t i = 0; i < 250; ++i) {
    tokens.push_back(0);
    for (const std::int32_t row : grouped.batch(i)) tokens.back() += lengths[static_cast<std::size_t>(row)];
  }
  EXPECT_EQ(tokens.front(), *std::ranges::max_element(tokens));
  int rises = 0;
  for (std::size_t i = 2; i < tokens.size(); ++i) rises += tokens[i] > tokens[i - 1] ? 1 : 0;
  EXPECT_GT(rises, 95);
  EXPECT_LT(rises, 155);

  // The pass is a function of its seed.
  EXPECT_EQ(order_of(LoaderPass(std::uint64_t{5}, 1003, options)), order);
  EXPECT_NE(order_of(other), order);
  TorchGenerator generator(1), as_plain(1);
  const LoaderPass drawn(generator, 1003, options);
  options.group_by_length = false;
  const LoaderPass drawn_plain(as_plain, 1003, options);
  EXPECT_EQ(drawn.seed(), drawn_plain.seed());
  EXPECT_EQ(generator.state(), as_plain.state());
}

// Batches by tokens: whole, each row once, and none that the next row had fitted into.
TEST(Loader, BatchesByTokens) {
  const std::vector<std::int32_t> lengths = invented_lengths();
  const auto tokens = [&](std::span<const std::int32_t> rows) {
    std::int64_t sum = 0;
    for (const std::int32_t row : rows) sum += lengths[static_cast<std::size_t>(row)];
    return sum;
  };
  for (const std::int64_t limit : {1, 100, 299, 1000, 1000000}) {
    const LoaderPass pass(std::uint64_t{5}, 1003,
                          {.shuffle = true, .drop_last = true, .batch_tokens = limit, .lengths = lengths});
    EXPECT_EQ(order_of(pass), TorchGenerator(5).permutation(1003));
    for (std::int64_t i = 0; i < pass.batches(); ++i) {
      const std::span<const std::int32_t> rows = pass.batch(i);
      ASSERT_TRUE(rows.size() == 1 || tokens(rows) <= limit) << "batch " << i;
      if (i + 1 == pass.batches()) continue;
      ASSERT_GT(tokens(rows) + tokens(pass.batch(i + 1).first(1)), limit) << "batch " << i;
    }

    LoaderOptions options{.shuffle = true, .group_by_length = true, .batch_tokens = limit, .lengths = lengths};
    const LoaderPass grouped(std::uint64_t{5}, 1003, options);
    const std::vector<std::int32_t> order = order_of(grouped);
    EXPECT_EQ(std::set<std::int32_t>(order.begin(), order.end()).size(), 1003u);
    EXPECT_EQ(order.size(), 1003u);
    for (std::int64_t i = 0; i < grouped.batches(); ++i)
      ASSERT_TRUE(grouped.batch(i).size() == 1 || tokens(grouped.batch(i)) <= limit);
    EXPECT_LE(grouped.batches(), pass.batches() + pass.batches() / 10 + 1) << limit;
    EXPECT_LT(mean_spread(grouped, lengths), limit == 1000000 ? 300 : 20);
  }
  EXPECT_THROW(LoaderPass(std::uint64_t{5}, 1003, {.batch_tokens = -1, .lengths = lengths}), Error);
}

// The engine takes no more sequences in a batch.
TEST(Loader, ABatchByTokensHasAMaximumOfRows) {
  const std::vector<std::int32_t> lengths(70000, 1);
  const LoaderPass pass(std::uint64_t{5}, 70000, {.batch_tokens = 100000, .lengths = lengths});
  ASSERT_EQ(pass.batches(), 2);
  EXPECT_EQ(pass.batch(0).size(), 65534u);
}

TEST(Loader, GroupsOfFewRows) {
  const std::vector<std::int32_t> lengths = {3, 9, 1};
  LoaderOptions options{.batch_size = 2, .shuffle = true, .group_by_length = true, .lengths = lengths};
  const LoaderPass pass(std::uint64_t{5}, 3, options);
  EXPECT_EQ(pass.batches(), 2);
  const std::vector<std::int32_t> order = order_of(pass);
  EXPECT_EQ(std::set<std::int32_t>(order.begin(), order.end()).size(), 3u);
  EXPECT_EQ(pass.batch(0)[0], 1) << "the longest";
  options.lengths = {};
  EXPECT_EQ(LoaderPass(std::uint64_t{5}, 0, options).batches(), 0);
  EXPECT_EQ(message_of([&] { LoaderPass(std::uint64_t{5}, 3, options); }), "there are lengths of 0 rows, but 3 rows");
}

}  // namespace
}  // namespace attune::testing
