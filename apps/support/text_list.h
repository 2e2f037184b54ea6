// The texts of a table, kept in order.
#pragma once

#include <array>
#include <iterator>
#include <string>
#include <vector>

#include "apps/support/read_rows.h"

namespace attune {

class TextList : public TextSink {
 public:
  /// Appends to `texts`, and the second texts to `pairs` if it is not null.
  explicit TextList(std::vector<std::string>& texts, std::vector<std::string>* pairs = nullptr)
      : texts_(texts), pairs_(pairs) {}

  void add(std::size_t part, std::string_view text, std::string_view pair) override {
    parts_[part].texts.emplace_back(text);
    if (pairs_ != nullptr) parts_[part].pairs.emplace_back(pair);
  }
  void take(std::size_t part) override {
    move_to(texts_, parts_[part].texts);
    if (pairs_ != nullptr) move_to(*pairs_, parts_[part].pairs);
  }

 private:
  struct Part {
    std::vector<std::string> texts, pairs;
  };
  static void move_to(std::vector<std::string>& to, std::vector<std::string>& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    from.clear();
  }

  std::vector<std::string>& texts_;
  std::vector<std::string>* pairs_;
  std::array<Part, kParts> parts_;
};

}  // namespace attune
