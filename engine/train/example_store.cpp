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
  for (std::int64_t w = 0; w < host_.window_count(); ++w) longest_ = std::max(longest_, kept(w));
}

std::int64_t ExampleStore::kept(std::int64_t window) const {
  const std::int64_t length = host_.window_length(window);
  return form_.max_length > 0 ? std::min(length, form_.max_length) : length;
}

std::vector<std::int32_t> ExampleStore::windows_of(std::span<const std::int32_t> examples) const {
  std::vector<std::int32_t> out;
  for (const std::int32_t e : examples)
    for (std::int64_t w = host_.first_window(e); w < host_.first_window(e + 1); ++w)
      out.push_back(narrow<std::int32_t>(w));
  return out;
}

std::int64_t ExampleStore::sequences_of(std::span<const std::int32_t> examples) const {
  return std::ssize(windows_of(examples));
}

std::int64_t ExampleStore::tokens_of(std::span<const std::int32_t> examples) const {
  std::int64_t sum = 0;
  for (const std::int32_t w : windows_of(examples)) sum += kept(w);
  return sum;
}

std::vector<std::int32_t> ExampleStore::rows_of_examples() const {
  const std::int64_t padded = form_.max_length > 0 ? form_.max_length : longest_;
  std::vector<std::int32_t> out(static_cast<std::size_t>(size()));
  for (std::int64_t e = 0; e < size(); ++e)
    for (std::int64_t w = host_.first_window(e); w < host_.first_window(e + 1); ++w)
      out[static_cast<std::size_t>(e)] +=
          narrow<std::int32_t>(form_.packed ? std::max<std::int64_t>(kept(w), 1) : padded);
  return out;
}

BatchShape ExampleStore::shape_of(std::span<const std::int32_t> examples) const {
  CHECK(!examples.empty(), "a batch has at least one example");
  for (const std::int32_t e : examples) CHECK(e >= 0 && e < size(), "there is no example ", e, " of ", size());
  const std::vector<std::int32_t> windows = windows_of(examples);
  const std::int64_t count = std::ssize(examples), sequences = std::ssize(windows);
  std::int64_t longest = 1, rows = 0;
  for (const std::int32_t w : windows) {
    longest = std::max(longest, kept(w));
    rows += std::max<std::int64_t>(kept(w), 1);
  }
  const std::int64_t length = form_.packed || form_.max_length == 0 ? longest : form_.max_length;
  const std::int64_t max_count = device() == Device::kCuda ? kMaxSequences : kMaxRowKeys;
  CHECK(sequences <= max_count && length <= kMaxRowKeys, "a batch has at most ", max_count, " sequences of ",
        kMaxRowKeys, " tokens, not ", sequences, " of up to ", length);
  if (!form_.packed)
    return {.count = count,
            .sequences = sequences,
            .rows = sequences * length,
            .padded_length = length,
            .max_length = length};
  // The extra rows are a sequence too, and no longer than the others may be.
  const std::int64_t multiple = std::min(row_multiple_, longest_);
  return {.count = count,
          .sequences = sequences,
          .rows = ceil_div(rows, multiple) * multiple,
          .padded_length = 0,
          .max_length = multiple > 1 ? longest_ : longest};
}

Tensor ExampleStore::choice(std::span<const std::int32_t> examples) const {
  std::vector<std::int32_t> out(examples.begin(), examples.end());
  if (host_.windows.defined()) {
    const std::vector<std::int32_t> windows = windows_of(examples);
    out.insert(out.end(), windows.begin(), windows.end());
    std::int64_t offset = 0;
    for (const std::int32_t e : examples) {
      out.push_back(narrow<std::int32_t>(offset));
      offset += host_.first_window(e + 1) - host_.first_window(e);
    }
    out.push_back(narrow<std::int32_t>(offset));
  }
  return Tensor::from(out, {std::ssize(out)});
}

LabelledBatch ExampleStore::make(const BatchShape& shape) const {
  const bool packed = shape.padded_length == 0, windows = host_.windows.defined();
  const std::int64_t sequences = packed ? shape.sequences + 1 : shape.sequences;
  const std::int64_t first_offset = shape.count + shape.sequences;
  LabelledBatch out{.shape = shape,
                    .choice = int_tensor(windows ? first_offset + shape.count + 1 : shape.count, device()),
                    .key_lengths = int_tensor(sequences, device()),
                    .tokens = {},
                    .labels = rows_like(examples_.labels, shape.count)};
  TokenBatch& batch = out.tokens;
  batch.ids = int_tensor(shape.rows, device());
  batch.type_ids = rows_like(examples_.type_ids, shape.rows);
  batch.lengths = int_tensor(shape.sequences, device());
  if (windows) batch.text_offsets = out.choice.rows(first_offset, out.choice.numel());
  batch.sequences = {.offsets = int_tensor(sequences + 1, device()),
                     .key_lengths = packed || form_.mask ? out.key_lengths : Tensor(),
                     .positions = int_tensor(shape.rows, device()),
                     .row_keys = int_tensor(shape.rows, device()),
                     .count = sequences,
                     .rows = shape.rows,
                     .max_length = shape.max_length};
  return out;
}

void ExampleStore::gather(const LabelledBatch& batch, std::int64_t before) const {
  const TokenBatch& to = batch.tokens;
  const auto& [count, sequences, rows, padded_length, max_length] = batch.shape;
  const Tensor examples = batch.choice.rows(0, count);
  ops::gather_batch(
      {.ids = to.ids,
       .type_ids = to.type_ids,
       .positions = to.sequences.positions,
       .row_keys = to.sequences.row_keys,
       .offsets = to.sequences.offsets,
       .key_lengths = batch.key_lengths,
       .lengths = to.lengths,
       .labels = batch.labels},
      examples_,
      {.examples = host_.windows.defined() ? batch.choice.rows(count, count + sequences) : examples,
       .labelled = examples},
      {.padded_length = padded_length, .max_length = form_.max_length, .pad_id = form_.pad_id, .first_key = before});
}

LabelledBatch ExampleStore::batch(std::span<const std::int32_t> examples, std::int64_t before) const {
  LabelledBatch out = make(shape_of(examples));
  out.choice.copy_from(choice(examples));
  gather(out, before);
  return out;
}

}  // namespace attune
