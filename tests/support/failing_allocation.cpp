#include "tests/support/failing_allocation.h"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<int> successes_before_failure = -1;

// Not inline: GCC would warn that new and free do not match.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  void* const block = successes_before_failure >= 0 && successes_before_failure-- == 0 ? nullptr : std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
  std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}

namespace attune::testing {

void fail_allocation(int successes) {
  successes_before_failure = successes;
}

}  // namespace attune::testing
