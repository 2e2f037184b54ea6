// Random choices of the mutators, and libFuzzer's own change of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace attune::fuzz {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  /// A number below `end`, which is at least 1.
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(engine_() >> 4) % end; }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  /// An element of a list.
  template <class List>
  auto& of(List& list) {
    return list[below(static_cast<std::uint32_t>(std::size(list)))];
  }

 private:
  std::minstd_rand engine_;
};

/// One change by libFuzzer, or a word of a format that is put in.
std::string changed_bytes(std::string bytes, std::size_t max_size, Random& random);

}  // namespace attune::fuzz
