// An allocation that fails. A test that has failing_allocation.cpp among its sources allocates through it.
#pragma once

namespace attune::testing {

/// The operator new after `successes` further ones throws std::bad_alloc, once; below 0: none does.
void fail_allocation(int successes);

}  // namespace attune::testing
