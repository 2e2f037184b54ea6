// Differentiable ops on Variables. Shapes are those of engine/ops; each has its file in engine/autograd/functions/.
//
// An op saves for backward only what its closure captures. If none of its inputs requires a gradient, it saves nothing:
// frozen layers cost no memory and have no backward.
#pragma once

#include "engine/autograd/tape.h"
#include "engine/autograd/variable.h"
#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/pool.h"
#include "engine/ops/rope.h"

namespace attune {

/// x W^T + b; `bias` may be undefined.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias);

/// y + scale h B^T, in the bytes of y, which is undefined afterwards: what a low-rank change of a linear layer adds to
/// its output [N, O], h [N, R] being the input times A^T. Throws Error if another handle shares the value of y.
Variable add_low_rank(Variable&& y, const Variable& h, const Variable& b, double scale);

/// Layer norm of x (of the residual stream's type), rounded to `dtype`; `bias` may be undefined.
Variable layernorm(const Variable& x, const Variable& weight, const Variable& bias, double eps, DType dtype);

/// s = residual + dropout(branch) and its layer norm, in one pass. In bfloat16 the residual stream (residual, sum,
/// stream) is float32 (kernels/layernorm.h).
struct ResidualNorm {
  Variable sum;     // s
  Variable normed;  // its norm in the branch's type, for the next matrix products
  Variable stream;  // its norm in the stream's type, for a residual; undefined if not requested
};
struct ResidualNormSpec {
  double eps;
  DropoutSpec dropout;
  bool stream = false;
};
ResidualNorm residual_layernorm(const Variable& residual, const Variable& branch, const Variable& weight,
                                const Variable& bias, const ResidualNormSpec& spec);

/// x in another float type; x itself if it already has that type.
Variable cast(const Variable& x, DType dtype);

/// residual + dropout(branch).
Variable residual(const Variable& residual, const Variable& branch, const DropoutSpec& dropout);

Variable dropout(const Variable& x, const DropoutSpec& spec);
Variable activation(const Variable& x, Activation kind);
/// f(first half of the features) * second half.
Variable glu(const Variable& u, Activation kind);

/// Rotates queries and keys of a fused projection [N, 3 H D] by their positions. The result replaces `qkv` in its
/// bytes; `qkv` is then undefined. Throws Error if another handle shares its value, e.g. an op that saved it for
/// backward.
Variable rope(Variable&& qkv, const Sequences& sequences, std::int64_t heads, const ops::RopeTable& table);

/// Attention on a fused projection [N, 3 H D] -> [N, H D].
Variable attention(const Variable& qkv, const Sequences& sequences, const ops::AttentionSpec& spec);

/// A table with the row each token takes; an undefined table is skipped. Its row padding_id (or -1) gets no gradient.
struct EmbeddingInput {
  Variable table;
  Tensor ids;
  std::int64_t padding_id = -1;
};
/// Sum of the rows of up to three tables: [N, C].
Variable embedding(const EmbeddingInput& words, const EmbeddingInput& positions, const EmbeddingInput& types);

/// [N, C] -> [B, C]: one row of each sequence, or the mean of all or of the real ones.
Variable pool(const Variable& x, const ops::PooledSequences& sequences);

/// [N, C] -> [B, C]: the largest value of each channel over the rows offsets[b] .. offsets[b + 1) of each sequence.
Variable max_pool(const Variable& x, const Tensor& offsets);

/// Mean softmax cross-entropy of logits [B, L] and labels int32 [B], weighted and smoothed as `spec` says: a scalar.
Variable cross_entropy(const Variable& logits, const Tensor& labels, const ops::CrossEntropySpec& spec = {});

/// Mean binary cross-entropy of logits [B, L] and labels float32 [B, L] in [0, 1]; pos_weights [L] may be undefined.
Variable binary_cross_entropy(const Variable& logits, const Tensor& labels, const Tensor& pos_weights = {});

/// Mean squared error of predictions [B, L] and labels float32 [B, L].
Variable mean_squared_error(const Variable& predictions, const Tensor& labels);

}  // namespace attune
