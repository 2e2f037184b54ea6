#include "base/environment.h"

#include <cstdlib>

namespace attune {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string user_cache_folder() {
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) return cache;
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache";
}

}  // namespace attune
