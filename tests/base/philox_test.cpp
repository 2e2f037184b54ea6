// Known answers of Philox4x32-7 and -10 from the Random123 distribution (kat_vectors): counter and key all zeros, all
// ones, and digits of pi.
#include "base/philox.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

constexpr std::uint64_t kOnesKey = 0xffffffffffffffffull, kPiKey = 0x299f31d0a4093822ull;
constexpr PhiloxBits kOnes{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
constexpr PhiloxBits kPi{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};

TEST(Philox, KnownAnswers) {
  static_assert(kPhiloxRounds == 7);
  EXPECT_EQ(philox4x32(0, {0, 0, 0, 0}), (PhiloxBits{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}));
  EXPECT_EQ(philox4x32(kOnesKey, kOnes), (PhiloxBits{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}));
  EXPECT_EQ(philox4x32(kPiKey, kPi), (PhiloxBits{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}));
}

TEST(Philox, KnownAnswersOfTenRounds) {
  EXPECT_EQ(philox4x32<10>(0, {0, 0, 0, 0}), (PhiloxBits{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32<10>(kOnesKey, kOnes), (PhiloxBits{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32<10>(kPiKey, kPi), (PhiloxBits{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

}  // namespace
}  // namespace attune
