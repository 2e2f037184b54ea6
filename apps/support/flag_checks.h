// Checks of option values, with errors of one short line: "--num_epochs: must be from 1 to 2147483647, not 0".
//
// CLI11's own ranges let NaN through and print bounds of 300 digits. Every check here refuses values that are not
// finite.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class Validator;
}

namespace attune {

class FlagCheck {
 public:
  explicit FlagCheck(std::shared_ptr<const CLI::Validator> validator) : validator_(std::move(validator)) {}
  /// Why the value is refused; empty if it is accepted.
  std::string complaint(std::string value) const;
  const CLI::Validator& validator() const { return *validator_; }

 private:
  std::shared_ptr<const CLI::Validator> validator_;
};

/// A real number above 0.
FlagCheck positive();
/// A real number from 0 on.
FlagCheck not_negative();
/// A probability in [0, 1) that is below 1 in float32 too.
FlagCheck dropout_probability();
/// A number above 0 and at most 1.
FlagCheck share_above_zero();
/// A number of things. The default bound keeps products of two such numbers within an int64.
FlagCheck count_from(std::int64_t min, std::int64_t max = 2147483647);
/// --threads; 0 stands for all cores.
FlagCheck thread_count();
/// One of these words.
FlagCheck one_of(const std::vector<std::string>& words);
/// One of these words in any case; the value becomes the word as it is spelled here.
FlagCheck one_of_any_case(const std::vector<std::string>& words);

}  // namespace attune
