// The commit that this program was built from.
#pragma once

namespace attune {

/// Twelve digits, with "-dirty" if files differed from it; empty if it is not known. cmake/write_commit.cmake writes
/// it.
const char* built_commit();

}  // namespace attune
