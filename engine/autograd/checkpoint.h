// Less memory for more time: a part of the forward pass that saves only its inputs.
//
// Its backward computes the part again, this time keeping what the ops save, and goes back through it at once. Values
// and gradients are the bits of a run without it: what runs again reads the same inputs and parameters, dropout is a
// function of seed, step and site, and every gradient is added where and in the order in which it would have been.
//
// Chen et al.: "Training deep nets with sublinear memory cost", arXiv 1604.06174.
#pragma once

#include <functional>
#include <vector>

#include "engine/autograd/variable.h"

namespace attune {

using Variables = std::vector<Variable>;

/// fn(inputs), recorded as one step. `fn` must give the same values whenever it is called; parameters are what it
/// captures. It outlives the call, until the tape's backward is done. Nothing is recorded where no tape is, or where
/// neither inputs nor parameters want a gradient.
Variables checkpoint(const std::function<Variables(const Variables&)>& fn, const Variables& inputs);

}  // namespace attune
