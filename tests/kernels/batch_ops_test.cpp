// The ops that make a batch out of integers, on the CPU and, where there is one, on the CUDA device.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/nn/token_batch.h"
#include "kernels/cuda/context.h"
#include "kernels/cuda/device_info.h"
#include "kernels/cuda/sort.h"
#include "kernels/gather_batch.h"
#include "kernels/position_ids.h"
#include "tests/kernels/cuda_backend.h"
#include "tests/kernels/device_array.h"
#include "tests/kernels/oracles/gather_batch.h"
#include "tests/kernels/oracles/position_ids.h"
#include "tests/support/token_batches.h"
#include "tests/support/words_of.h"

namespace attune::testing {
namespace {

using namespace kernels;

using Ints = std::vector<std::int32_t>;

class BatchOps : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) return;
    if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
    cuda_ = std::make_unique<CudaBackend>();
  }
  Backend& backend() { return GetParam() ? *cuda_ : cpu_backend(); }

 private:
  std::unique_ptr<CudaBackend> cuda_;
};

TEST_P(BatchOps, PositionIdsCountWhatIsNotPadding) {
  std::mt19937 engine(5);
  for (const std::int32_t padding : {1, 0, 7})
    for (const Ints& lengths : {Ints{1}, Ints{0}, Ints{5, 0, 32, 31, 33, 1}, Ints{64, 513, 0, 200}}) {
      Ints ids, offsets{0};
      for (const std::int32_t length : lengths) {
        for (std::int32_t t = 0; t < length; ++t)
          ids.push_back(engine() % 3 == 0 ? padding : static_cast<std::int32_t>(8 + engine() % 50));
        offsets.push_back(static_cast<std::int32_t>(ids.size()));
      }
      const DeviceArray<std::int32_t> on_ids(backend(), ids), on_offsets(backend(), offsets),
          out(backend(), Ints(ids.size(), -1));
      run_on(backend(), [&](const auto& context) {
        position_ids(context, {.out = out.data(),
                               .ids = on_ids.data(),
                               .offsets = on_offsets.data(),
                               .sequences = static_cast<std::int64_t>(lengths.size()),
                               .padding_id = padding});
      });
      EXPECT_EQ(out.values(), oracle::position_ids(ids, offsets, padding));
    }
}

// What a batch consists of.
struct Gathered {
  Ints ids, type_ids, positions, row_keys, offsets, key_lengths, lengths, labels;
};

struct Layout {
  std::int64_t padded_length, max_length, rows;
};

// `labelled_rows`: whose labels; empty: those of the examples.
Gathered gather(Backend& backend, const Dataset& dataset, const Ints& examples, const Layout& layout,
                std::int32_t pad_id, Ints labelled_rows = {}) {
  if (labelled_rows.empty()) labelled_rows = examples;
  const std::size_t count = examples.size(), rows = static_cast<std::size_t>(layout.rows);
  const bool typed = dataset.type_ids.defined(), labelled = dataset.labels.defined();
  const auto host_starts = dataset.starts.values<std::int64_t>();
  const DeviceArray<std::int32_t> tokens(backend, words_of(dataset.ids)), types(backend, words_of(dataset.type_ids)),
      labels(backend, words_of(dataset.labels)), chosen(backend, examples), on_labelled(backend, labelled_rows);
  const DeviceArray<std::int64_t> starts(backend, {host_starts.begin(), host_starts.end()});
  const std::int64_t width = labelled ? dataset.labels.numel() / dataset.size() : 1;
  GatherBatch args{.ids = nullptr,
                   .type_ids = nullptr,
                   .positions = nullptr,
                   .row_keys = nullptr,
                   .offsets = nullptr,
                   .key_lengths = nullptr,
                   .lengths = nullptr,
                   .labels = nullptr,
                   .store = {tokens.data(), starts.data(), typed ? types.data() : nullptr,
                             labelled ? reinterpret_cast<const std::uint32_t*>(labels.data()) : nullptr},
                   .examples = chosen.data(),
                   .labelled = on_labelled.data(),
                   .count = static_cast<std::int64_t>(count),
                   .label_count = static_cast<std::int64_t>(labelled_rows.size()),
                   .rows = layout.rows,
                   .label_words = width,
                   .padded_length = layout.padded_length,
                   .max_length = layout.max_length,
                   .pad_id = pad_id};
  const auto sequences = static_cast<std::size_t>(args.sequences());
  const DeviceArray<std::int32_t> ids(backend, Ints(rows, -7)), out_types(backend, Ints(rows, -7)),
      positions(backend, Ints(rows, -7)), keys(backend, Ints(rows, -7)), offsets(backend, Ints(sequences + 1, -7)),
      key_lengths(backend, Ints(sequences, -7)), lengths(backend, Ints(count, -7)),
      out_labels(backend, Ints(labelled_rows.size() * static_cast<std::size_t>(width), -7));
  args.ids = ids.data(), args.type_ids = out_types.data(), args.positions = positions.data(),
  args.row_keys = reinterpret_cast<std::uint32_t*>(keys.data());
  args.offsets = offsets.data(), args.key_lengths = key_lengths.data(), args.lengths = lengths.data(),
  args.labels = reinterpret_cast<std::uint32_t*>(out_labels.data());
  run_on(backend, [&](const auto& context) { gather_batch(context, args); });
  return {ids.values(),     out_types.values(),   positions.values(), keys.values(),
          offsets.values(), key_lengths.values(), lengths.values(),   out_labels.values()};
}

Ints ints(const Tensor& x) {
  return {x.values<std::int32_t>().begin(), x.values<std::int32_t>().end()};
}
Ints first(const Ints& x, std::size_t n) {
  return {x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n)};
}

// The first rows and sequences of `got` are those of the host's batch.
void expect_batch(const Gathered& got, const Dataset& dataset, const oracle::Batch& batch, const TokenBatch& tokens) {
  const auto rows = static_cast<std::size_t>(tokens.sequences.rows), count = static_cast<std::size_t>(tokens.count());
  EXPECT_EQ(first(got.ids, rows), ints(tokens.ids));
  EXPECT_EQ(first(got.positions, rows), ints(tokens.sequences.positions));
  EXPECT_EQ(first(got.row_keys, rows), ints(tokens.sequences.row_keys));
  EXPECT_EQ(first(got.offsets, count + 1), ints(tokens.sequences.offsets));
  EXPECT_EQ(got.lengths, ints(tokens.lengths));
  EXPECT_EQ(first(got.key_lengths, count), ints(tokens.lengths));
  EXPECT_EQ(got.labels, dataset.labels.defined() ? batch.labels : Ints(count, -7));
  EXPECT_EQ(first(got.type_ids, rows), dataset.type_ids.defined() ? batch.type_ids : Ints(rows, -7));
}

// `label_width`: -1 no labels, 0 a class, otherwise as many numbers.
Dataset random_dataset(std::mt19937& engine, int examples, unsigned longest, std::int64_t label_width, bool typed) {
  std::vector<Ints> ids(static_cast<std::size_t>(examples));
  for (Ints& example : ids)
    for (unsigned n = engine() % 4 == 0 ? 0 : engine() % (longest + 1); n > 0; --n)
      example.push_back(static_cast<std::int32_t>(engine() % 1000));
  Dataset out = Dataset::from("random", ids);
  if (label_width == 0) out.labels = Tensor::empty({examples}, DType::kInt32);
  if (label_width > 0) out.labels = Tensor::empty({examples, label_width}, DType::kFloat32);
  if (typed) out.type_ids = Tensor::empty(out.ids.shape(), DType::kInt32);
  for (const Tensor& x : {out.labels, out.type_ids})
    for (std::int64_t i = 0; x.defined() && i < x.numel(); ++i)
      static_cast<std::int32_t*>(x.raw())[i] = static_cast<std::int32_t>(engine());
  return out;
}

// Shuffled examples, some of them twice.
Ints some_examples(std::mt19937& engine, std::int64_t size, int count) {
  Ints out;
  for (int b = 0; b < count; ++b) out.push_back(static_cast<std::int32_t>(engine() % static_cast<unsigned>(size)));
  return out;
}

TEST_P(BatchOps, GatheredBatchesAreThosePutTogetherOnTheHost) {
  std::mt19937 engine(3);
  constexpr std::int32_t kPad = 1001;
  for (int round = 0; round < 40; ++round) {
    const std::int64_t label_width = std::array{0, -1, 1, 3, 200}[static_cast<std::size_t>(round % 5)];
    const Dataset dataset = random_dataset(engine, 1 + static_cast<int>(engine() % 40), round % 3 == 0 ? 3 : 50,
                                           label_width, round % 4 == 3);
    const Ints examples =
        some_examples(engine, dataset.size(), round % 10 == 9 ? 600 : 1 + static_cast<int>(engine() % 20));
    for (const std::int64_t max_length : {0, 1, 20})
      for (const bool packed : {false, true}) {
        const oracle::Batch batch =
            oracle::gather_batch(dataset, {.max_length = max_length, .pad_id = kPad, .packed = packed}, examples);
        const auto host_rows = static_cast<std::int64_t>(batch.ids.size());
        const auto count = static_cast<std::int64_t>(examples.size());
        if (!packed) {
          const Gathered got = gather(backend(), dataset, examples, {batch.padded_length, max_length, host_rows}, kPad);
          expect_batch(got, dataset, batch, padded_batch(batch.ids, batch.lengths, true));
          EXPECT_EQ(got.offsets.size(), examples.size() + 1);
          continue;
        }
        for (const std::int64_t tail : {0, 1, 77}) {
          const Gathered got = gather(backend(), dataset, examples, {0, max_length, host_rows + tail}, kPad);
          expect_batch(got, dataset, batch, packed_batch(batch.ids, batch.lengths));
          EXPECT_EQ(got.offsets.back(), host_rows + tail);
          EXPECT_EQ(got.key_lengths.back(), 0);
          for (std::int64_t t = 0; t < tail; ++t) {
            const auto n = static_cast<std::size_t>(host_rows + t);
            EXPECT_EQ(got.ids[n], kPad);
            EXPECT_EQ(got.type_ids[n], dataset.type_ids.defined() ? 0 : -7);
            EXPECT_EQ(got.positions[n], 0);
            EXPECT_EQ(got.row_keys[n], count << 16 | t);
          }
        }
      }
  }
}

TEST_P(BatchOps, LabelsMayBeThoseOfOtherRows) {
  Dataset dataset = Dataset::from("windows", {{1, 2}, {3}, {4}});
  dataset.labels = Tensor::from(Ints{10, 11, 20, 21, 30, 31}, {3, 2});
  for (const Ints& rows : {Ints{2}, Ints{1, 2, 0, 0, 1}}) {
    Ints expected;
    for (const std::int32_t row : rows) expected.insert(expected.end(), {10 * (row + 1), 10 * (row + 1) + 1});
    EXPECT_EQ(gather(backend(), dataset, {0, 2, 1}, {0, 0, 4}, 9, rows).labels, expected);
  }
}

// A row of padding shorter than an example cuts it.
TEST_P(BatchOps, PaddedRowsCutLongerExamples) {
  const Dataset dataset = Dataset::from("two", {{1, 2, 3, 4, 5}, {6}});
  const Gathered got = gather(backend(), dataset, {0, 1}, {3, 0, 6}, 9);
  EXPECT_EQ(got.ids, (Ints{1, 2, 3, 6, 9, 9}));
  EXPECT_EQ(got.lengths, (Ints{3, 1}));
}

// Against a stable sort: one digit and several, tiles filled and not, all ids equal, the largest id there is.
TEST(SortById, IsStable) {
  if (!cuda::available()) GTEST_SKIP() << cuda::unavailable_reason();
  CudaBackend backend;
  std::mt19937 engine(11);
  struct Case {
    std::int64_t rows, id_limit;
  };
  for (const auto& [rows, id_limit] : {Case{1, 1},
                                       {5, 1},
                                       {1500, 1},
                                       {31, 2},
                                       {300, 256},
                                       {300, 257},
                                       {1024, 512},
                                       {1025, 50257},
                                       {4096, 30522},
                                       {4097, 200},
                                       {9000, 30522},
                                       {5000, 65537},
                                       {2500, 65537},
                                       {100, std::int64_t{1} << 31}})
    for (const std::uint64_t seed : {1, 2}) {
      cuda::set_schedule_seed(seed);
      Ints ids, order(static_cast<std::size_t>(rows)), sorted;
      for (std::int64_t n = 0; n < rows; ++n)
        ids.push_back(
            static_cast<std::int32_t>(n % 7 == 0 ? id_limit - 1 : static_cast<std::int64_t>(engine()) % id_limit));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        return ids[static_cast<std::size_t>(a)] < ids[static_cast<std::size_t>(b)];
      });
      for (const std::int32_t n : order) sorted.push_back(ids[static_cast<std::size_t>(n)]);
      const DeviceArray<std::int32_t> on_ids(backend, ids), out(backend, Ints(ids.size(), -1)),
          out_ids(backend, Ints(ids.size(), -1));
      const Context context = backend.context();
      cuda::sort_by_id(*std::get<const CudaContext*>(context), {.order = out.data(),
                                                                .sorted_ids = out_ids.data(),
                                                                .ids = on_ids.data(),
                                                                .rows = rows,
                                                                .id_limit = id_limit});
      EXPECT_EQ(out.values(), order) << rows << " rows, ids below " << id_limit;
      EXPECT_EQ(out_ids.values(), sorted) << rows << " rows, ids below " << id_limit;
    }
  cuda::set_schedule_seed(1);
}

TEST(GatherBatch, TheCpuSeesTooFewRows) {
  const Dataset dataset = Dataset::from("one", {{1, 2, 3}});
  EXPECT_THROW(gather(cpu_backend(), dataset, {0}, {0, 0, 2}, 9), Error);
}

INSTANTIATE_TEST_SUITE_P(Backends, BatchOps, ::testing::Values(false, true),
                         [](const auto& test) { return test.param ? "Cuda" : "Cpu"; });

}  // namespace
}  // namespace attune::testing
