// Saves memory for more time: a part of the forward pass saves only its inputs.
//
// Its backward computes the part again, now with what the ops save, and then runs the backward of the part. Values and
// gradients have the same bits as without a checkpoint: the second run reads the same inputs and parameters, dropout is
// a function of seed, step and site, and gradients are added in the same places and in the same order.
//
// Chen et al.: "Training deep nets with sublinear memory cost", arXiv 1604.06174.
#pragma once

#include <functional>
#include <vector>

#include "engine/autograd/variable.h"

namespace attune {

using Variables = std::vector<Variable>;

/// fn(inputs), recorded as one step. `fn` must give the same values at every call; it captures the parameters. The tape
/// keeps it until backward is done. Nothing is recorded without a tape, or if neither inputs nor parameters require a
/// gradient.
Variables checkpoint(const std::function<Variables(const Variables&)>& fn, const Variables& inputs);

}  // namespace attune
