// Simulated device memory: exact-size heap blocks, so that AddressSanitizer sees an access past their end, and a table
// of them, so that the simulator reports the access without AddressSanitizer too.
#pragma once

#include <cstddef>

namespace attune::simulated {

/// Each byte of memory that nothing was written to: NaN in every float format.
inline constexpr int kPoison = 0xFF;

/// A block filled with NaN. Throws Error if memory is exhausted.
void* allocate_memory(std::size_t bytes);
void free_memory(void* device) noexcept;
/// Bytes of all live blocks.
std::size_t memory_in_use();
/// Whether all of the bytes lie in one live block of device memory.
bool is_device_memory(const void* address, std::size_t bytes);

/// Checks an access of the running CUDA thread. Throws SimulatorFault.
void on_global_access(const void* address, std::size_t bytes, const char* what);

}  // namespace attune::simulated
