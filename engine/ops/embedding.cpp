#include "kernels/embedding.h"

#include "engine/ops/embedding.h"
#include "engine/ops/run_on.h"

namespace attune::ops {
namespace {

kernels::EmbeddingTable table_of(const Lookup& lookup, const Lookup& words, const char* what) {
  if (!lookup.table.defined()) return {};
  check_tensor(lookup.ids, words.ids.shape(), DType::kInt32, "embedding", what);
  CHECK(lookup.table.shape().rank() == 2 && lookup.table.shape()[1] == words.table.shape()[1],
        "embedding: a table of shape ", lookup.table.shape(), " beside one of ", words.table.shape());
  const std::int64_t rows = lookup.table.shape()[0];
  if (lookup.ids.device() == Device::kCpu)
    for (std::int32_t id : lookup.ids.values<std::int32_t>())
      CHECK(id >= 0 && id < rows, "embedding: ", what, " has ", id, ", but the table has ", rows, " rows");
  return {lookup.table.raw(), static_cast<const std::int32_t*>(lookup.ids.raw()), rows};
}

}  // namespace

Tensor embedding_forward(const Lookup& words, const Lookup& positions, const Lookup& types) {
  CHECK(words.table.defined() && words.table.shape().rank() == 2, "embedding: the word table is missing");
  const std::int64_t tokens = words.ids.numel(), channels = words.table.shape()[1];
  const kernels::EmbeddingTable word_table = table_of(words, words, "token ids");
  const kernels::EmbeddingTable position_table = table_of(positions, words, "position ids");
  const kernels::EmbeddingTable type_table = table_of(types, words, "token types");
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

void embedding_backward(const GradTarget& dtable, const Tensor& dy, const Tensor& ids, std::int64_t padding_id) {
  run_on(dy.device(), [&](const auto& context) {
    kernels::embedding_backward(context, {.dtable = dtable.out(),
                                          .dy = dy.raw(),
                                          .ids = static_cast<const std::int32_t*>(ids.raw()),
                                          .rows = dtable.tensor.shape()[0],
                                          .tokens = ids.numel(),
                                          .channels = dy.shape()[-1],
                                          .padding_id = padding_id,
                                          .dtype = dy.dtype()});
  });
}

}  // namespace attune::ops
