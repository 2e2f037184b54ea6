// Tensors that are divided over the processes of a run: each process has its share of every one (engine/comm/shares.h).
//
// What is here is collective. Nothing needs more memory than some pieces of a tensor, or one whole tensor on rank 0.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/comm/shares.h"
#include "engine/io/safetensors.h"
#include "engine/nn/module.h"
#include "engine/optim/adamw.h"
#include "engine/train/run_state.h"

namespace attune {

/// The shares of these parameters for an optimizer's state.
Shares state_shares(Communicator& processes, const std::vector<NamedParameter>& parameters);
/// What this process holds of that state; `shares` must outlive it.
AdamWShare adamw_share(const Shares& shares);

/// What this process has of array `array` of the shares: those elements of `whole`, as one dimension.
Tensor own_part(const Shares& shares, std::size_t array, const Tensor& whole);

/// After every process has changed its share of the parameters' exact values: all have all of them. The shares are of
/// these parameters, in their order.
void share_values(const Shares& shares, const std::vector<NamedParameter>& parameters);

/// A tensor of a run's state of which each process has its share, `own`, and which is whole like `like`. To read it is
/// collective: all processes must do it, and rank 0 receives the bytes.
TensorSource divided_tensor(const std::string& name, const Shares& shares, std::size_t array, const Tensor& own,
                            const Tensor& like);

/// Calls save(state) on rank 0, where the divided tensors of the state can be read, in any order and also not at all,
/// while the other processes send their shares. An error ends it on rank 0 alone.
void save_divided(Communicator& processes, RunState state, const std::function<void(const RunState& state)>& save);

}  // namespace attune
