#include "engine/ops/embedding.h"

#include <array>

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

namespace {

// A table that was read.
struct Read {
  explicit Read(const EmbeddingInput& from) : input(from), version(from.table.version()) {}
  ops::Lookup lookup() const { return {input.table.value_of_rows(input.ids), input.ids}; }

  EmbeddingInput input;
  std::int64_t version;
};

}  // namespace

Variable embedding(const EmbeddingInput& words, const EmbeddingInput& positions, const EmbeddingInput& types) {
  const Op op{"embedding", {&words.table, &positions.table, &types.table}};
  const std::array<Read, 3> reads{Read(words), Read(positions), Read(types)};
  Tensor y = ops::embedding_forward(reads[0].lookup(), reads[1].lookup(), reads[2].lookup());
  if (!recording(words.table, positions.table, types.table)) return unrecorded(op, std::move(y));
  return recorded(op, std::move(y), [reads](const Tensor& dy) {
    for (const auto& [input, version] : reads) {
      if (!input.table.requires_grad()) continue;
      const auto [target, slots] = input.table.grad().row_target(input.ids, version);
      ops::embedding_backward(target, dy, input.ids, input.padding_id, slots);
    }
  });
}

}  // namespace attune
