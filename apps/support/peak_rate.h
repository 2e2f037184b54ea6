// The speed that a run is measured against on its progress line: that of a large product on this very machine.
#pragma once

#include "base/dtype.h"
#include "engine/tensor/device.h"

namespace attune {

/// Multiplications and additions a second of a large square product x W^T of such matrices, the best of a few: what the
/// device reaches in this precision with the threads of this process, not what a data sheet promises. Takes about half a
/// second and at most 200 MB of the device's memory; 0 if there is no room for it.
double peak_product_rate(Device device, DType dtype);

}  // namespace attune
