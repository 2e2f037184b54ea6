// Messages about memory: sizes in readable units, and if memory is short the flags that would need less.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/tensor/device.h"

namespace attune {

class Trainer;

/// "317.4 MiB", from 1 GiB on "2.71 GiB".
std::string memory_size_text(std::size_t bytes);

/// What a run on this device has taken: "317.4 MiB" of the host's memory, or "2.71 GiB of 79.00 GiB" of the device's.
std::string memory_in_use_text(Device device);

/// Prints what each process has of the optimizer's state, at most, if it is divided. Collective.
void print_share_of_state(const Trainer& trainer);

/// "; less is needed with a, b or c"; empty if there are no ways to need less.
std::string memory_advice(const std::vector<std::string>& ways);

}  // namespace attune
