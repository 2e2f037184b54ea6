#include "base/slot_table.h"

#include <gtest/gtest.h>

#include <map>

namespace attune::testing {
namespace {

struct Entry {
  std::uint64_t key = 0;  // 0: free
  int value = -1;
  bool is_free() const { return key == 0; }
};

TEST(SlotTable, AgreesWithAMap) {
  // The second hash puts everything into one chain, which runs over the end of the array.
  for (const auto hash :
       {+[](std::uint64_t key) { return hash_words(key); }, +[](std::uint64_t) { return ~std::uint64_t{0}; }}) {
    SlotTable<Entry> table(1);
    std::map<std::uint64_t, int> expected;
    const auto locate = [&](std::uint64_t key) -> Entry& {
      return table.locate(hash(key), [key](const Entry& entry) { return entry.key == key; });
    };
    for (int i = 0; i < 2000; ++i) {
      const std::uint64_t key = hash_words(static_cast<std::uint64_t>(i)) % 700 + 1;
      EXPECT_EQ(locate(key).is_free(), !expected.contains(key)) << key;
      locate(key) = {key, i};
      expected[key] = i;
      if (expected.size() == table.capacity()) table.grow([&](const Entry& entry) { return hash(entry.key); });
    }
    for (std::uint64_t key = 1; key <= 701; ++key)
      EXPECT_EQ(locate(key).value, expected.contains(key) ? expected[key] : -1) << key;
  }
}

TEST(SlotTable, HoldsItsCapacity) {
  SlotTable<Entry> table(300);
  EXPECT_GE(table.capacity(), 300u);
  const std::size_t before = table.capacity();
  table.grow([](const Entry& entry) { return hash_words(entry.key); });
  EXPECT_GE(table.capacity(), 2 * before);
}

}  // namespace
}  // namespace attune::testing
