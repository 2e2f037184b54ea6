#include "engine/nn/example_store.h"

#include <algorithm>

#include "base/check.h"
#include "base/math.h"
#include "engine/ops/run_on.h"
#include "kernels/gather_batch.h"

namespace attune {
namespace {

// Row keys are two numbers of 16 bits (kernels/dropout.h).
constexpr std::int64_t kMostRowKeys = 65536;

Tensor int_tensor(std::int64_t n, Device device) {
  return Tensor::empty({n}, DType::kInt32, device);
}
std::int32_t* ints(const Tensor& x) {
  return static_cast<std::int32_t*>(x.raw());
}

}  // namespace

ExampleStore::ExampleStore(const std::vector<std::vector<std::int32_t>>& ids, std::span<const std::int32_t> labels,
                           const BatchForm& form, Device device)
    : form_(form), host_labels_(labels.begin(), labels.end()) {
  CHECK(labels.empty() || labels.size() == ids.size(), labels.size(), " labels for ", ids.size(), " examples");
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> starts{0};
  for (const auto& example : ids) {
    const auto length = narrow<std::int64_t>(example.size());
    const std::int64_t kept = form.max_length > 0 ? std::min(length, form.max_length) : length;
    kept_.push_back(narrow<std::int32_t>(kept));
    longest_ = std::max(longest_, kept);
    tokens.insert(tokens.end(), example.begin(), example.begin() + kept);
    starts.push_back(narrow<std::int64_t>(tokens.size()));
  }
  tokens_ = Tensor::from(tokens, {narrow<std::int64_t>(tokens.size())}).to(device);
  if (!labels.empty()) labels_ = Tensor::from(labels, {narrow<std::int64_t>(labels.size())}).to(device);
  const std::size_t bytes = starts.size() * sizeof(std::int64_t);
  starts_ = Storage::allocate(bytes, device);
  copy_bytes({starts_->data(), device}, {starts.data(), Device::kCpu}, bytes);
}

std::int64_t ExampleStore::tokens_of(std::span<const std::int32_t> examples) const {
  std::int64_t sum = 0;
  for (const std::int32_t e : examples) sum += kept_[static_cast<std::size_t>(e)];
  return sum;
}

std::int64_t ExampleStore::longest_of(std::span<const std::int32_t> examples) const {
  std::int64_t longest = 1;
  for (const std::int32_t e : examples) longest = std::max<std::int64_t>(longest, kept_[static_cast<std::size_t>(e)]);
  return longest;
}

BatchShape ExampleStore::shape_of(std::span<const std::int32_t> examples) const {
  CHECK(!examples.empty(), "a batch has at least one example");
  for (const std::int32_t e : examples) CHECK(e >= 0 && e < size(), "there is no example ", e, " of ", size());
  const auto count = narrow<std::int64_t>(examples.size());
  const std::int64_t longest = longest_of(examples);
  const std::int64_t length = form_.packed || form_.max_length == 0 ? longest : form_.max_length;
  // A CUDA grid has 65,535 blocks along the axis of sequences, one of which may fill up.
  const std::int64_t most = device() == Device::kCuda ? 65534 : kMostRowKeys;
  CHECK(count <= most && length <= kMostRowKeys, "a batch has at most ", most, " sequences of ", kMostRowKeys,
        " tokens, not ", count, " of up to ", length);
  if (!form_.packed) return {.count = count, .rows = count * length, .padded_length = length, .max_length = length};
  std::int64_t rows = 0;
  for (const std::int32_t e : examples) rows += std::max(kept_[static_cast<std::size_t>(e)], 1);
  // What fills up is a sequence too, and no longer than the others may be.
  const std::int64_t multiple = std::min(form_.row_multiple, longest_);
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
                    .labels = int_tensor(shape.count, device())};
  TokenBatch& batch = out.tokens;
  batch.ids = int_tensor(shape.rows, device());
  batch.lengths = int_tensor(shape.count, device());
  batch.first_row_keys = TokenBatch::first_row_keys_of(shape.count).to(device());
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
  run_on(device(), [&](const auto& context) {
    kernels::gather_batch(context, {.ids = ints(to.ids),
                                    .positions = ints(to.sequences.positions),
                                    .row_keys = static_cast<std::uint32_t*>(to.sequences.row_keys.raw()),
                                    .offsets = ints(to.sequences.offsets),
                                    .key_lengths = ints(batch.key_lengths),
                                    .lengths = ints(to.lengths),
                                    .labels = ints(batch.labels),
                                    .store = {.tokens = ints(tokens_),
                                              .starts = reinterpret_cast<const std::int64_t*>(starts_->data()),
                                              .labels = ints(labels_)},
                                    .examples = ints(batch.examples),
                                    .count = batch.shape.count,
                                    .rows = batch.shape.rows,
                                    .padded_length = batch.shape.padded_length,
                                    .max_length = form_.max_length,
                                    .pad_id = form_.pad_id});
  });
}

LabelledBatch ExampleStore::batch(std::span<const std::int32_t> examples) const {
  LabelledBatch out = make(shape_of(examples));
  out.examples.copy_from(Tensor::from(examples, {out.shape.count}));
  gather(out);
  return out;
}

}  // namespace attune
