// The arithmetic of a training step that any implementation must do: what "model FLOPs utilisation" divides by the peak
// of a machine (Chowdhery et al., PaLM, 2022, appendix B).
#pragma once

#include "engine/nn/parameter_table.h"

namespace attune {

/// Multiplications and additions, for each token, of the products with the weights of the blocks in a training step: two
/// for each weight forward, two backward if a trained parameter lies before it, and two more if it is trained itself. The
/// rows of attention, heads and embeddings (a few percent) are left out, and so is what --recompute does twice.
double product_flops(const ParameterTable& table);

}  // namespace attune
