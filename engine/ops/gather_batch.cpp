#include "engine/ops/gather_batch.h"

#include "engine/ops/run_on.h"
#include "kernels/gather_batch.h"

namespace attune::ops {
namespace {

constexpr const char* kOp = "gather batch";

std::int32_t* ints(const Tensor& x) {
  return static_cast<std::int32_t*>(x.raw());
}
std::uint32_t* words(const Tensor& x) {
  return static_cast<std::uint32_t*>(x.raw());
}

void check_store(const Arguments& args, const TokenStore& from) {
  args.require("token ids", from.ids, {from.ids.numel()}, DType::kInt32);
  args.require("starts", from.starts, {from.starts.numel()}, DType::kInt64);
  CHECK(from.starts.numel() >= 1, kOp, ": starts are one more than the examples, not none");
  args.allow("segments", from.type_ids, from.ids.shape(), DType::kInt32);
  if (!from.labels.defined()) return;
  CHECK(from.labels.shape().rank() >= 1, kOp, ": labels of shape ", from.labels.shape());
  CHECK(size_of(from.labels.dtype()) == 4, kOp, ": labels of ", from.labels.dtype(), " are not of 4 bytes");
  args.require("labels of the store", from.labels, from.labels.shape(), from.labels.dtype());
}

// As in the store, with another number of rows; undefined if the store has none.
void check_labels(const Arguments& args, const Tensor& labels, const Tensor& from, std::int64_t count) {
  CHECK(labels.defined() == from.defined(), kOp, ": labels are ", labels.defined() ? "wanted" : "given",
        from.defined() ? " but have no place" : " but there are none");
  if (from.defined()) args.require("labels", labels, from.shape().with_rows(count), from.dtype());
}

}  // namespace

void gather_batch(const GatheredBatch& to, const TokenStore& from, const ChosenExamples& chosen,
                  const GatherLayout& layout) {
  const Arguments args(kOp, "token ids", from.ids);
  check_store(args, from);
  args.require("choice of examples", chosen.examples, {chosen.examples.numel()}, DType::kInt32);
  args.require("choice of labels", chosen.labelled, {chosen.labelled.numel()}, DType::kInt32);
  const std::int64_t count = chosen.examples.numel(), rows = to.ids.numel();
  const std::int64_t sequences = layout.padded_length > 0 ? count : count + 1;
  CHECK(layout.padded_length == 0 || rows == count * layout.padded_length, kOp, ": ", rows, " rows for ", count,
        " sequences of ", layout.padded_length);
  args.require("ids of the batch", to.ids, {rows}, DType::kInt32);
  args.require("positions", to.positions, {rows}, DType::kInt32);
  args.require("row keys", to.row_keys, {rows}, DType::kInt32);
  args.require("offsets", to.offsets, {sequences + 1}, DType::kInt32);
  args.require("key lengths", to.key_lengths, {sequences}, DType::kInt32);
  args.require("lengths", to.lengths, {count}, DType::kInt32);
  args.allow("segments of the batch", to.type_ids, {rows}, DType::kInt32);
  CHECK(to.type_ids.defined() == from.type_ids.defined(), kOp, ": segments are in the ",
        from.type_ids.defined() ? "store but not in the batch" : "batch but not in the store");
  check_labels(args, to.labels, from.labels, chosen.labelled.numel());
  const std::int64_t label_rows = from.labels.defined() ? from.labels.shape()[0] : 0;
  run_on(from.ids.device(), [&](const auto& context) {
    kernels::gather_batch(context, {.ids = ints(to.ids),
                                    .type_ids = ints(to.type_ids),
                                    .positions = ints(to.positions),
                                    .row_keys = words(to.row_keys),
                                    .offsets = ints(to.offsets),
                                    .key_lengths = ints(to.key_lengths),
                                    .lengths = ints(to.lengths),
                                    .labels = words(to.labels),
                                    .store = {.tokens = ints(from.ids),
                                              .starts = static_cast<const std::int64_t*>(from.starts.raw()),
                                              .type_ids = ints(from.type_ids),
                                              .labels = words(from.labels)},
                                    .examples = ints(chosen.examples),
                                    .labelled = ints(chosen.labelled),
                                    .count = count,
                                    .label_count = chosen.labelled.numel(),
                                    .rows = rows,
                                    .label_words = label_rows > 0 ? from.labels.numel() / label_rows : 1,
                                    .padded_length = layout.padded_length,
                                    .max_length = layout.max_length,
                                    .pad_id = layout.pad_id,
                                    .first_key = layout.first_key});
  });
}

}  // namespace attune::ops
