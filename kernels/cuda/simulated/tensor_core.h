// ldmatrix and mma.sync on the register fragments that the PTX manual documents (sections "ldmatrix" and
// "mma.m16n8k16", "mma.m16n8k8"). With g = lane / 4 and t = lane % 4:
//
//   ldmatrix        8x8 tiles of 16-bit values; lanes 8i .. 8i+7 give the row addresses of tile i; register i of a lane holds
//                   row g, columns 2t and 2t+1 (.trans: column g, rows 2t and 2t+1)
//   m16n8k16 bf16   A: rows g, g+8; columns 2t, 2t+1 and those + 8     a0 (g, 2t) a1 (g+8, 2t) a2 (g, 2t+8) a3 (g+8, 2t+8)
//                   B: rows 2t, 2t+1 and those + 8; column g           b0 (2t, g) b1 (2t+8, g)
//   m16n8k8 tf32    A: a0 (g, t) a1 (g+8, t) a2 (g, t+4) a3 (g+8, t+4)   B: b0 (t, g) b1 (t+4, g)
//   C, D            c0 (g, 2t) c1 (g, 2t+1) c2 (g+8, 2t) c3 (g+8, 2t+1), float32
//
// tensor_core.cpp says how products are added.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cuda/simulated/block.h"

namespace attune::simulated {

void ldmatrix(std::uint32_t* registers, int tiles, bool transpose, const void* row, const SourceLocation& where);

/// One instruction of a lane, d += a b.
struct Mma {
  float* d;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

/// Instructions one after the other, in one collective: lanes are switched once for all of them.
void mma_bf16(std::span<const Mma> instructions, const SourceLocation& where);
void mma_tf32(std::span<const Mma> instructions, const SourceLocation& where);

}  // namespace attune::simulated
