#include "engine/train/example_store.h"

#include <algorithm>

#include "base/check.h"
#include "base/math.h"

namespace attune {
namespace {

// Row keys are two numbers of 16 bits (kernels/dropout.h).
constexpr std::int64_t kMaxRowKeys = 65536;

Tensor int_tensor(std::int64_t n, Device device) {
  return Tensor::empty({n}, DType::kInt32, device);
}

Tensor on_device(const Tensor& x, Device device) {
  return x.defined() ? x.to(device) : x;
}

// Room for `count` rows like those of `x`.
Tensor rows_like(const Tensor& x, std::int64_t count) {
  return x.defined() ? Tensor::empty(x.shape().with_rows(count), x.dtype(), x.device()) : x;
}

}  // namespace

std::int64_t packed_row_multiple(std::int64_t batch_size, std::int64_t longest) {
  return 64 * std::max<std::int64_t>(1, batch_size * longest / (32 * 64));
}

ExampleStore::ExampleStore(const Dataset& dataset, const BatchForm& form, Device device, std::int64_t row_multiple)
    : form_(form), row_multiple_(row_multiple), host_(dataset) {
  dataset.check();
  examples_ = {.ids = dataset.ids.to(device),
               .starts = dataset.starts.to(device),
               .type_ids = on_device(dataset.type_ids, device),
               .labels = on_device(dataset.labels, device)};
  for (std::int64_t e = 0; e < size(); ++e) longest_ = std::max(longest_, kept(e));
}

std::int64_t ExampleStore::kept(std::int64_t example) const {
  const std::int64_t length = host_.length(example);
  return form_.max_length > 0 ? std::min(length, form_.max_length) : length;
}

std::int64_t ExampleStore::tokens_of(std::span<const std::int32_t> examples) const {
  std::int64_t sum = 0;
  for (const std::int32_t e : examples) sum += kept(e);
  return sum;
}

std::vector<std::int32_t> ExampleStore::rows_of_examples() const {
  const std::int64_t padded = form_.max_length > 0 ? form_.max_length : longest_;
  std::vector<std::int32_t> out(static_cast<std::size_t>(size()), narrow<std::int32_t>(padded));
  if (form_.packed)
    for (std::int64_t e = 0; e < size(); ++e)
      out[static_cast<std::size_t>(e)] = narrow<std::int32_t>(std::max<std::int64_t>(kept(e), 1));
  return out;
}

BatchShape ExampleStore::shape_of(std::span<const std::int32_t> examples) const {
  CHECK(!examples.empty(), "a batch has at least one example");
  for (const std::int32_t e : examples) CHECK(e >= 0 && e < size(), "there is no example ", e, " of ", size());
  const auto count = narrow<std::int64_t>(examples.size());
  std::int64_t longest = 1, rows = 0;
  for (const std::int32_t e : examples) {
    longest = std::max(longest, kept(e));
    rows += std::max<std::int64_t>(kept(e), 1);
  }
  const std::int64_t length = form_.packed || form_.max_length == 0 ? longest : form_.max_length;
  // A CUDA grid has 65,535 blocks along the axis of sequences, and one sequence may be the one that fills up.
  const std::int64_t max_count = device() == Device::kCuda ? 65534 : kMaxRowKeys;
  CHECK(count <= max_count && length <= kMaxRowKeys, "a batch has at most ", max_count, " sequences of ", kMaxRowKeys,
        " tokens, not ", count, " of up to ", length);
  if (!form_.packed) return {.count = count, .rows = count * length, .padded_length = length, .max_length = length};
  // The extra rows are a sequence too, and no longer than the others may be.
  const std::int64_t multiple = std::min(row_multiple_, longest_);
  return {.count = count,
          .rows = ceil_div(rows, multiple) * multiple,
          .padded_length = 0,
          .max_length = multiple > 1 ? longest_ : longest};
}

LabelledBatch ExampleStore::make(const BatchShape& shape) const {
  const bool packed = shape.padded_length == 0;
  const std::int64_t sequences = packed ? shape.count + 1 : shape.count;
  LabelledBatch out{.shape = shape,
                    .examples = int_tensor(shape.count, device()),
                    .key_lengths = int_tensor(sequences, device()),
                    .tokens = {},
                    .labels = rows_like(examples_.labels, shape.count)};
  TokenBatch& batch = out.tokens;
  batch.ids = int_tensor(shape.rows, device());
  batch.type_ids = rows_like(examples_.type_ids, shape.rows);
  batch.lengths = int_tensor(shape.count, device());
  batch.sequences = {.offsets = int_tensor(sequences + 1, device()),
                     .key_lengths = packed || form_.mask ? out.key_lengths : Tensor(),
                     .positions = int_tensor(shape.rows, device()),
                     .row_keys = int_tensor(shape.rows, device()),
                     .count = sequences,
                     .rows = shape.rows,
                     .max_length = shape.max_length};
  return out;
}

void ExampleStore::gather(const LabelledBatch& batch) const {
  const TokenBatch& to = batch.tokens;
  ops::gather_batch(
      {.ids = to.ids,
       .type_ids = to.type_ids,
       .positions = to.sequences.positions,
       .row_keys = to.sequences.row_keys,
       .offsets = to.sequences.offsets,
       .key_lengths = batch.key_lengths,
       .lengths = to.lengths,
       .labels = batch.labels},
      examples_, {batch.examples, batch.examples},
      {.padded_length = batch.shape.padded_length, .max_length = form_.max_length, .pad_id = form_.pad_id});
}

LabelledBatch ExampleStore::batch(std::span<const std::int32_t> examples) const {
  LabelledBatch out = make(shape_of(examples));
  out.examples.copy_from(Tensor::from(examples, {out.shape.count}));
  gather(out);
  return out;
}

}  // namespace attune
