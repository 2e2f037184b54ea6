// The two-way table between ids and their spellings: added tokens and model tokens alike.
//
// Invariant after check_complete(): ids are 0 .. size()-1, each with one spelling, each spelling with one id.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune {

class Vocabulary {
 public:
  /// `source` is the file named in error messages.
  explicit Vocabulary(std::string source) : source_(std::move(source)) {}
  Vocabulary(Vocabulary&&) noexcept = default;
  Vocabulary& operator=(Vocabulary&&) noexcept = default;

  /// So many tokens will be added next, in any order of ids.
  void expect(std::size_t tokens);
  /// Adds a token. Throws Error if the spelling or the id is taken, or the id is below 0 or far beyond the number of
  /// tokens, those expected included.
  void add(std::string_view token, std::int64_t id);
  /// Throws Error naming the first id without a token.
  void check_complete() const;

  std::int32_t size() const { return static_cast<std::int32_t>(spelling_.size()); }
  /// The spelling of an id. Throws Error outside the vocabulary.
  std::string_view token(std::int32_t id) const;
  /// The id of a spelling, or -1.
  std::int32_t id(std::string_view token) const;
  const std::string& source() const { return source_; }

 private:
  std::string source_;
  std::size_t expected_ = 0;         // tokens in all after those that were announced
  std::deque<std::string> storage_;  // stable addresses: the views below point here
  std::vector<std::string_view> spelling_;
  std::vector<bool> present_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
};

}  // namespace attune
