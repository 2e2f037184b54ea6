// What the user's environment says.
#pragma once

#include <string>

namespace attune {

/// The value of an environment variable; empty if it is not set.
std::string environment(const char* name);
/// The folder of the user's caches: $XDG_CACHE_HOME, or else ~/.cache; empty if neither is known.
std::string user_cache_folder();

}  // namespace attune
