#include "kernels/embedding.h"

#include "engine/ops/embedding.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

// A table and its ids, after their checks; `first` are those of the words.
kernels::EmbeddingTable table_of(const Arguments& args, const char* table_name, const char* ids_name,
                                 const Lookup& lookup, const Lookup& first) {
  if (!lookup.table.defined()) return {};
  args.require_rank(table_name, lookup.table, 2);
  const std::int64_t rows = lookup.table.shape()[0];
  args.require(table_name, lookup.table, {rows, first.table.shape()[1]}, first.table.dtype());
  args.require(ids_name, lookup.ids, {first.ids.numel()}, DType::kInt32);
  if (lookup.ids.device() == Device::kCpu)
    for (std::int32_t id : lookup.ids.values<std::int32_t>())
      CHECK(id >= 0 && id < rows, "embedding: ", ids_name, " has ", id, ", but the table has ", rows, " rows");
  return {lookup.table.raw(), static_cast<const std::int32_t*>(lookup.ids.raw()), rows};
}

}  // namespace

Tensor embedding_forward(const Lookup& words, const Lookup& positions, const Lookup& types) {
  const Arguments args("embedding", "word table", words.table);
  args.require_rank("word table", words.table, 2);
  args.require_rank("token ids", words.ids, 1);
  const std::int64_t tokens = words.ids.numel(), channels = words.table.shape()[1];
  const kernels::EmbeddingTable word_table = table_of(args, "word table", "token ids", words, words);
  const kernels::EmbeddingTable position_table = table_of(args, "position table", "position ids", positions, words);
  const kernels::EmbeddingTable type_table = table_of(args, "type table", "token types", types, words);
  Tensor y = Tensor::empty({tokens, channels}, words.table.dtype(), words.table.device());
  run_on(y.device(), [&](const auto& context) {
    kernels::embedding_forward(context, {.y = y.raw(),
                                         .words = word_table,
                                         .positions = position_table,
                                         .types = type_table,
                                         .tokens = tokens,
                                         .channels = channels,
                                         .dtype = y.dtype()});
  });
  return y;
}

void embedding_backward(const GradTarget& dtable, const Tensor& dy, const Tensor& ids, std::int64_t padding_id,
                        const RowSlots& slots) {
  const Arguments args("embedding backward", "dy", dy);
  args.require_rank("dy", dy, 2);
  args.require_rank("dtable", dtable.tensor, 2);
  args.require("ids", ids, {dy.shape()[0]}, DType::kInt32);
  const std::int64_t rows = slots.compact ? slots.marks.numel() : dtable.tensor.shape()[0];
  args.require("dtable", dtable.tensor, {slots.compact ? dy.shape()[0] : rows, dy.shape()[1]}, dy.dtype());
  args.allow("marks", slots.marks, {rows}, DType::kInt32);
  run_on(dy.device(), [&](const auto& context) {
    kernels::embedding_backward(context, {.dtable = dtable.out(),
                                          .dy = dy.raw(),
                                          .ids = static_cast<const std::int32_t*>(ids.raw()),
                                          .rows = rows,
                                          .tokens = ids.numel(),
                                          .channels = dy.shape()[-1],
                                          .padding_id = padding_id,
                                          .dtype = dy.dtype(),
                                          .marks = static_cast<std::int32_t*>(slots.marks.raw()),
                                          .compact = slots.compact});
  });
}

}  // namespace attune::ops
