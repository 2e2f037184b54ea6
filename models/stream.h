// The data that passes from block to block, and how a block runs.
#pragma once

#include "engine/autograd/checkpoint.h"
#include "engine/nn/token_batch.h"

namespace attune {

/// The residual stream [N, C], and its norm in the type of the next matrix products, which read it.
struct Stream {
  Variable residual, normed;
};

/// block(x), a function of the stream and of values that do not change until backward is done. If the pass recomputes,
/// only x is saved, and backward computes the block again.
template <class Block>
Stream run_block(const Stream& x, const ForwardPass& pass, Block block) {
  if (!pass.recompute) return block(x);
  const Variables out = checkpoint(
      [block = std::move(block)](const Variables& in) {
        Stream y = block(Stream{in[0], in[1]});
        return Variables{std::move(y.residual), std::move(y.normed)};
      },
      {x.residual, x.normed});
  return {out[0], out[1]};
}

}  // namespace attune
