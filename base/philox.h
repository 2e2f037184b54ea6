// Philox4x32: random bits as a pure function of (key, counter), the same on every backend.
//
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Rounds of two 32x32->64
// multiplications, the key bumped by Weyl constants between rounds. With seven rounds it passes all tests of BigCrush,
// as the paper shows; ten are its authors' choice with a margin.
#pragma once

#include <array>
#include <cstdint>

namespace attune {

using PhiloxBits = std::array<std::uint32_t, 4>;

inline constexpr int kPhiloxRounds = 7;

/// Four 32-bit words for one counter under a 64-bit key.
template <int kRounds = kPhiloxRounds>
constexpr PhiloxBits philox4x32(std::uint64_t key, PhiloxBits counter) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  std::uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(0xD2511F53u) * c0;
    const std::uint64_t p1 = static_cast<std::uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

}  // namespace attune
