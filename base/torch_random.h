// The random streams of the reference recipe, reproduced bit for bit if the reference is portable.
//
// PyTorch's CPU generator and NumPy's legacy RandomState are both MT19937 with the classic seeding, which is
// std::mt19937; they differ in how they turn its 32-bit words into numbers. Initial weights, data order and the IMDb
// split all come from here, so that every loss of a run can be compared with the reference.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace attune {

/// torch.Generator on the CPU, seeded as torch.manual_seed does.
class TorchGenerator {
 public:
  explicit TorchGenerator(std::uint64_t seed) : engine_(static_cast<std::uint32_t>(seed)) {}

  /// The next 32 tempered bits.
  std::uint32_t random32() { return static_cast<std::uint32_t>(engine_()); }
  /// torch.empty((), dtype=int64).random_(): 63 random bits, the high word first.
  std::int64_t random_int64();

  /// Tensor.uniform_(low, high) on float32, in row-major order.
  void uniform(std::span<float> out, float low, float high);
  /// Tensor.normal_(mean, stddev) on float32. From 16 elements on: blockwise Box-Muller in float32, equal to PyTorch up to
  /// the last bits of log, sin and cos (6e-7 stddev). Below 16: Box-Muller in double with one value cached between calls.
  void normal(std::span<float> out, float mean, float stddev);
  /// torch.nn.init.trunc_normal_(mean 0, cut at +-2 stddev) of torch 2.13: normal_, then whole tensors are redrawn and
  /// taken where the old value is out of range, until none is.
  void trunc_normal(std::span<float> out, float stddev);
  /// torch.randperm(n).
  std::vector<std::int32_t> permutation(std::int32_t n);

  /// The state that the next numbers depend on, as text.
  std::string state() const;
  /// Continues from where state() was taken. Throws Error if the text is not a state.
  void restore(const std::string& state);

 private:
  std::mt19937 engine_;
  bool has_cached_normal_ = false;
  double cached_normal_ = 0;
};

/// numpy.random.RandomState(seed).permutation(n).
std::vector<std::int32_t> numpy_permutation(std::uint32_t seed, std::int32_t n);

}  // namespace attune
