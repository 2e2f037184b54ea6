// Changes of inputs that keep their form, so that a fuzz target gets past the first brace, length or checksum.
//
// A target names the parts of its input; one part at a time is changed, in a way that fits its kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attune::fuzz {

enum class Part : std::uint8_t {
  kText,         // any bytes; words of the product's formats are put in
  kJson,         // values and members are lost, doubled, moved and replaced by others
  kSafetensors,  // header and tensors change; the length of the header stays right, mostly the offsets too
  kSealed,       // the same; then the digests of a checkpoint or of a stored data set are made right, mostly
  kTar,          // the checksums of members stay right; maybe compressed
};

/// LLVMFuzzerCustomMutator for an input of these parts, as parts_of() separates them.
std::size_t mutate(std::span<const Part> parts, std::uint8_t* data, std::size_t size, std::size_t max_size,
                   unsigned seed);

}  // namespace attune::fuzz

/// At the end of a target whose input has these parts.
#define ATTUNE_FUZZ_PARTS(...)                                                                               \
  extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, \
                                                 unsigned seed) {                                            \
    using enum ::attune::fuzz::Part;                                                                         \
    static constexpr ::attune::fuzz::Part kParts[] = {__VA_ARGS__};                                          \
    return ::attune::fuzz::mutate(kParts, data, size, max_size, seed);                                       \
  }
