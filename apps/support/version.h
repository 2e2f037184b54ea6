// Which attune this is. cmake/write_version.cmake writes the definitions.
#pragma once

namespace attune {

/// That of the project, e.g. "0.1.0".
const char* built_version();
/// The commit that was built: twelve digits, with "-dirty" if files differed from it; empty if it is not known.
const char* built_commit();

}  // namespace attune
