// main() of every test program. Exits with 77 where every test that ran was skipped, so that CTest shows the skip, and with 1
// where a filter leaves no test.
#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  const auto& unit = *::testing::UnitTest::GetInstance();
  if (::testing::GTEST_FLAG(list_tests)) return result;
  if (unit.test_to_run_count() == 0) {
    std::fprintf(stderr, "no test has a name that the filter %s allows\n", ::testing::GTEST_FLAG(filter).c_str());
    return 1;
  }
  if (result == 0 && unit.skipped_test_count() == unit.test_to_run_count()) return 77;
  return result;
}
