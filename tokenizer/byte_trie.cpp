#include "tokenizer/byte_trie.h"

#include <algorithm>
#include <deque>
#include <span>
#include <string>

#include "base/check.h"

namespace attune {

using Entry = std::pair<std::string_view, std::int32_t>;

// Places states breadth first. Each state's keys are a range of the sorted entries, which share `depth` bytes.
class ByteTrie::Builder {
 public:
  Builder(std::vector<Cell>& cells, std::span<const Entry> entries) : cells_(cells), entries_(entries) {}

  void build() {
    cells_.assign(512, {});
    cells_[kRoot].parent = kRoot;  // occupied; no byte leads back here, since bases are at least 1
    std::deque<Range> open{{kRoot, 0, entries_.size(), 0}};
    while (!open.empty()) {
      const Range range = open.front();
      open.pop_front();
      for (const Range& child : place_children(range)) open.push_back(child);
    }
    cells_.resize(cells_.size() + 256);  // step() may look 255 cells past any base
  }

 private:
  struct Range {
    State state;
    std::size_t begin, end, depth;
  };

  std::vector<Range> place_children(Range range) {
    std::size_t at = range.begin;
    if (at < range.end && entries_[at].first.size() == range.depth) {
      cells_[static_cast<std::size_t>(range.state)].value = entries_[at].second;
      ++at;
    }
    std::vector<Range> children;
    std::string bytes;
    while (at < range.end) {
      const char byte = entries_[at].first[range.depth];
      std::size_t next = at;
      while (next < range.end && entries_[next].first[range.depth] == byte) ++next;
      children.push_back({kNone, at, next, range.depth + 1});
      bytes += byte;
      at = next;
    }
    if (children.empty()) {
      cells_[static_cast<std::size_t>(range.state)].base = 1;
      return children;
    }
    const std::int32_t base = find_base(bytes);
    cells_[static_cast<std::size_t>(range.state)].base = base;
    for (std::size_t i = 0; i < children.size(); ++i) {
      children[i].state = base + static_cast<unsigned char>(bytes[i]);
      cells_[static_cast<std::size_t>(children[i].state)].parent = range.state;
    }
    return children;
  }

  // The first base from `search_` on whose cells for all `bytes` are free. The array grows as needed. Where a search
  // met mostly occupied cells, the next one starts after it.
  std::int32_t find_base(const std::string& bytes) {
    const std::size_t first = static_cast<unsigned char>(bytes[0]);
    std::size_t tried = 0;
    for (std::size_t cell = std::max(search_, first + 1);; ++cell, ++tried) {
      if (cell + 256 >= cells_.size()) cells_.resize(cells_.size() * 2);
      const std::size_t base = cell - first;
      const auto is_free = [&](char byte) { return cells_[base + static_cast<unsigned char>(byte)].parent == kNone; };
      if (!std::all_of(bytes.begin(), bytes.end(), is_free)) continue;
      if (tried > 256) search_ = cell - 128;
      return narrow_base(base);
    }
  }

  static std::int32_t narrow_base(std::size_t base) {
    CHECK(base < std::size_t{1} << 30, "a vocabulary of this size does not fit a trie");
    return static_cast<std::int32_t>(base);
  }

  std::vector<Cell>& cells_;
  std::span<const Entry> entries_;
  std::size_t search_ = 1;
};

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end());
  Builder(cells_, entries).build();
}

ByteTrie::State ByteTrie::walk(State state, std::string_view bytes) const {
  for (const char byte : bytes) {
    state = step(state, byte);
    if (state == kNone) return kNone;
  }
  return state;
}

}  // namespace attune
