#include "engine/ops/embedding.h"

#include "engine/autograd/functions.h"
#include "engine/autograd/functions/record.h"

namespace attune {

Variable embedding(const EmbeddingInput& words, const EmbeddingInput& positions, const EmbeddingInput& types) {
  Tensor y = ops::embedding_forward({words.table.value(), words.ids}, {positions.table.value(), positions.ids},
                                    {types.table.value(), types.ids});
  if (!recording(words.table, positions.table, types.table)) return Variable(std::move(y));
  return recorded(std::move(y), [words, positions, types](const Tensor& dy) {
    for (const EmbeddingInput* input : {&words, &positions, &types})
      if (input->table.requires_grad())
        ops::embedding_backward(input->table.grad().target(), dy, input->ids, input->padding_id);
  });
}

}  // namespace attune
