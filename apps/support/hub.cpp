#include "apps/support/hub.h"

#include <filesystem>

#include "base/check.h"
#include "base/environment.h"
#include "base/read_file.h"

namespace attune {

namespace fs = std::filesystem;

std::string hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string folder = environment(name); !folder.empty()) return folder;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return home + "/hub";
  const std::string cache = user_cache_folder();
  return cache.empty() ? "" : cache + "/huggingface/hub";
}

std::string find_in_hub_cache(const std::vector<std::string>& repositories) {
  const std::string cache = hub_cache_folder();
  CHECK(!cache.empty(), "the model ", repositories.front(),
        " cannot be looked for: HOME, XDG_CACHE_HOME and HF_HUB_CACHE are not set; name its folder with --model_dir");
  std::error_code error;  // a path that cannot be, such as a reference that is too long, is not there
  for (const std::string& repository : repositories) {
    std::string folder = "models--";
    for (char c : repository) folder += c == '/' ? std::string("--") : std::string(1, c);
    const fs::path root = fs::path(cache) / folder;
    if (!fs::exists(root / "refs" / "main", error)) continue;
    std::string revision = read_file((root / "refs" / "main").string());
    revision.erase(revision.find_last_not_of(" \r\n") + 1);
    const fs::path snapshot = root / "snapshots" / revision;
    if (fs::exists(snapshot / "config.json", error)) return snapshot.string();
  }
  throw Error(str_cat("the model ", repositories.front(), " is not in the cache ", cache,
                      "; fetch it with: hf download ", repositories.front(), " (or name its folder with --model_dir)"));
}

}  // namespace attune
