// Multi-head scaled dot-product attention over a batch of sequences laid out one after the other.
//
// Sequence b owns rows offsets[b] .. offsets[b + 1) of q, k, v and out. Of its rows, the first key_lengths[b] are keys that
// may be attended (padding after them is not); every row is a query. A padded batch is offsets = 0, T, 2T, ... with
// key_lengths = the true lengths (null: all); a packed batch has no padding rows at all. For query i and key j of one
// sequence and head, with P = softmax over allowed j:
//
//   S[i, j] = scale * q_i . k_j,  allowed iff  j < key_length,  j <= i if causal,  |i - j| <= window if window >= 0
//   out_i = sum_j dropout(P)[i, j] v_j          lse_i = log sum_j exp(S[i, j])
//
// A query without any allowed key gives out = 0 and is skipped in gradients. Backward recomputes P from lse:
//   dV = dropout(P)^T dO   dP = dropout'(dO V^T)   dS = P * (dP - rowsum(dO * O))   dQ = scale dS K   dK = scale dS^T Q
// Dropout of P uses site + head, the row key of the query, and the key's position as channel.
//
// Vaswani et al.: "Attention is all you need", arXiv 1706.03762. Dao et al.: "FlashAttention", arXiv 2205.14135 (lse, recompute).
#pragma once

#include "base/dtype.h"
#include "kernels/context.h"
#include "kernels/dropout.h"

namespace attune::kernels {

/// Which rows form sequences, and which keys a query may see.
struct AttentionLayout {
  const std::int32_t* offsets;  // [B + 1] first row of each sequence; host and device copies as the context
  const std::int32_t* key_lengths = nullptr;  // [B], or null: all rows of a sequence are keys
  std::int64_t sequences;                     // B
  std::int64_t max_length;                    // longest sequence, in rows
  std::int64_t rows;                          // N = offsets[B]
  std::int64_t heads, head_size;              // H, D
  bool causal = false;
  std::int64_t window = -1;  // local attention: keys at most this far away, both sides; negative: no limit
  double scale;              // positive, usually 1 / sqrt(D)
  DropoutMask dropout;
};

struct AttentionForward {
  void* out;      // [N, H, D] dense
  void* lse;      // [H, N] saved for backward, or null
  const void* q;  // [N, H, D], rows `row_stride` elements apart (3 H D inside a fused projection)
  const void* k;
  const void* v;
  std::int64_t row_stride;
  AttentionLayout layout;
  DType dtype;
};

struct AttentionBackward {
  void* dq;  // [N, H, D], rows `row_stride` apart like q; written, never accumulated
  void* dk;
  void* dv;
  const void* dout;  // [N, H, D] dense
  const void* out;   // [N, H, D] dense
  const void* lse;   // [H, N]
  const void* q;
  const void* k;
  const void* v;
  std::int64_t row_stride;
  AttentionLayout layout;
  DType dtype;
};

void attention_forward(const CpuContext&, const AttentionForward&);
void attention_forward(const CudaContext&, const AttentionForward&);
void attention_backward(const CpuContext&, const AttentionBackward&);
void attention_backward(const CudaContext&, const AttentionBackward&);

}  // namespace attune::kernels
